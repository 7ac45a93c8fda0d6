import { AzureError } from '../../azure/failure.ts';
import type { SecretVersion } from '../../azure/vault.ts';
import type { Plan } from '../../policy/decide.ts';
import { registryOf } from '../../registry/reference.ts';
import type { Failure } from '../../schemas/failure.ts';
import type { Secret } from '../../secret.ts';
import type { DeploymentRow } from '../../store/deployments.ts';
import { containerGroupBody } from '../container-group.ts';
import { type CredentialParts, type ResolvedCredential, resolveCredential } from '../credentials.ts';
import { explain } from '../explain.ts';
import { failure } from '../failure.ts';
import { fail, goOn, type Move } from '../move.ts';
import { explainable } from '../preflight.ts';
import { groupExists, isOurs } from './resolve.ts';
import { decideAgain, placeOf, type Stage, type StageParts } from './stage.ts';

/**
 * Puts the container group, under the deployment's own name and with its id as tag: doing it twice is harmless, and a
 * group that carries the tag already is not put again.
 */
export const submit: Stage = async (row, parts, signal) => {
  const now = parts.clock.now();
  const again = decideAgain(row, parts);
  if (!again.allowed) return fail(again.failure, now, { holdsName: false });
  const present = await parts.containerGroups.get(placeOf(row), signal);
  if (present && !isOurs(present, row)) return fail(groupExists(row), now, { holdsName: false });
  if (present) return submitted(row, null, now);

  using held = new DisposableStack();
  const resolved = await resolveSecrets(row, again.plan, {
    vault: parts.vault,
    policy: again.policy,
    now,
    signal,
    held,
  });
  if ('failure' in resolved) return fail(resolved.failure, now, { holdsName: false });
  // Awaited here: what is held ends with this function.
  return await put(row, resolved, parts, signal);
};

interface Resolved {
  credentials: ResolvedCredential[];
  workload: Map<string, Secret>;
}

async function put(
  row: DeploymentRow,
  resolved: Resolved,
  parts: StageParts,
  signal: AbortSignal,
): Promise<Move> {
  const build = () =>
    containerGroupBody({
      deployment: row.id,
      team: row.team,
      spec: row.spec,
      images: row.images,
      credentials: resolved.credentials,
      workloadSecret: (secretName, vault) => workloadValue(resolved, row, secretName, vault),
    });
  try {
    const { operationUrl } = await parts.containerGroups.put(placeOf(row), build, signal);
    return submitted(row, operationUrl, parts.clock.now());
  } catch (error) {
    if (!(error instanceof AzureError) || error.retryable) throw error;
    return fail(explainRefusal(error, row, resolved), parts.clock.now(), { holdsName: false });
  }
}

function submitted(row: DeploymentRow, operationUrl: string | null, at: Date): Move {
  const message = `Azure Resource Manager accepted container group '${row.name}'`;
  return goOn('Provisioning', { operationUrl, liveRevision: row.revision }, [
    { at, source: 'Slipway', type: 'Submitted', message },
  ]);
}

/** Resolves the very versions that were proven. */
async function resolveSecrets(
  row: DeploymentRow,
  plan: Plan,
  parts: CredentialParts,
): Promise<Resolved | { failure: Failure }> {
  const resolved: Resolved = { credentials: [], workload: new Map() };
  for (const planned of plan.registries) {
    const version = row.credentials.find(({ server }) => server === planned.host)?.secretVersion;
    const resolution = await resolveCredential(planned, parts, version);
    if (!resolution.ok) return { failure: resolution.failure };
    resolved.credentials.push(resolution.credential);
  }
  for (const { pointer, vault: place, secretName } of plan.workloadSecrets) {
    const value = await readWorkloadSecret(place, secretName, pointer, parts);
    if ('failure' in value) return value;
    resolved.workload.set(pointer, parts.held.use(value));
  }
  return resolved;
}

async function readWorkloadSecret(
  place: { name: string; url: string },
  secretName: string,
  target: string,
  { vault, now, signal }: CredentialParts,
): Promise<Secret | { failure: Failure }> {
  try {
    const [newest] = await vault.properties(place.url, secretName, signal);
    const unusable = newest && whyUnusable(newest, now);
    if (unusable)
      return {
        failure: failure(
          unusable,
          `Secret '${secretName}' of vault '${place.name}' cannot be used any more.`,
          {
            stage: 'Submitting',
            target,
            evidence: [{ step: 'vault', host: new URL(place.url).host, code: unusable }],
            fixes: [
              {
                who: 'caller',
                action: 'Store a valid value as a new version',
                command: `az keyvault secret set --vault-name ${place.name} --name ${secretName} --file /dev/stdin`,
              },
            ],
          },
        ),
      };
    return await vault.value(place.url, secretName, newest?.version ?? '', signal);
  } catch (error) {
    if (!(error instanceof AzureError) || error.retryable) throw error;
    const credential = { kind: 'secret' as const, vault: place.name, secretName, server: '' };
    const { status, code, message } = error;
    return {
      failure: explain({ kind: 'vault', status, code, message }, { stage: 'Submitting', target, credential }),
    };
  }
}

/** Key Vault would serve an expired secret. */
function whyUnusable({ enabled, expiresOn, notBefore }: SecretVersion, now: Date) {
  if (!enabled) return 'CredentialDisabled' as const;
  if (expiresOn && expiresOn <= now) return 'CredentialExpired' as const;
  return notBefore && notBefore > now ? ('CredentialNotYetValid' as const) : null;
}

function workloadValue(
  { workload }: Resolved,
  row: DeploymentRow,
  secretName: string,
  vault: string | undefined,
): string {
  for (const [index, container] of row.spec.containers.entries())
    for (const [place, variable] of (container.environmentVariables ?? []).entries())
      if (variable.secretName === secretName && variable.vault === vault) {
        const value = workload.get(`/containers/${index}/environmentVariables/${place}/secretName`);
        if (value) return value.reveal();
      }
  throw new Error(`workload secret '${secretName}' was not resolved`);
}

/** ACI names the image in its message, so the credential that goes with it can be named too. */
function explainRefusal(error: AzureError, row: DeploymentRow, { credentials }: Resolved): Failure {
  const index = row.images.findIndex(({ resolved }) => error.message.includes(resolved));
  const image = row.images[Math.max(index, 0)];
  const credential = credentials.find(({ host }) => image && host === registryOf(image.requested));
  return explain(
    {
      kind: 'arm',
      ...(error.status !== null ? { status: error.status } : {}),
      ...(error.code !== null ? { code: error.code } : {}),
      message: error.message,
    },
    {
      stage: 'Submitting',
      target: `/containers/${Math.max(index, 0)}/image`,
      group: row.name,
      resourceGroup: row.resourceGroup,
      ...(image ? { image: image.requested } : {}),
      ...(credential ? { credential: explainable(credential) } : {}),
    },
  );
}
