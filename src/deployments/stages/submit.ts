import { AzureError } from '../../azure/failure.ts';
import type { Plan } from '../../policy/decide.ts';
import { registryOf } from '../../registry/reference.ts';
import type { Failure } from '../../schemas/failure.ts';
import type { Secret } from '../../secret.ts';
import type { DeploymentRow } from '../../store/deployments.ts';
import { containerGroupBody } from '../container-group.ts';
import { type CredentialParts, type ResolvedCredential, resolveCredential } from '../credentials.ts';
import { explain } from '../explain.ts';
import { isIsolated } from '../identity-acls.ts';
import { fail, goOn, type Move, type Patch } from '../move.ts';
import { NotNow, passes } from '../not-now.ts';
import { explainable } from '../preflight.ts';
import { imagePointer } from '../spec.ts';
import { resolveWorkloadSecrets } from '../workload-secrets.ts';
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
  if (present) return await submittedBefore(row, again.plan, parts, signal);

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
  plan: Plan;
  credentials: ResolvedCredential[];
  workload: ReadonlyMap<string, Secret>;
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
      ...resolved,
    });
  try {
    const { operationUrl, isolated } = await parts.containerGroups.put(placeOf(row), build, signal);
    const credentials = withIsolation(row, resolved.plan, isolated);
    return submitted(row, operationUrl, parts.clock.now(), { credentials });
  } catch (error) {
    if (!(error instanceof AzureError)) throw error;
    const found = explainRefusal(error, row, resolved);
    if (error.retryable || passes(found)) throw new NotNow(found, error);
    return fail(found, parts.clock.now(), { holdsName: false });
  }
}

/** Its answer was lost: what it came to is read from the group. */
async function submittedBefore(
  row: DeploymentRow,
  plan: Plan,
  { containerGroups, clock }: StageParts,
  signal: AbortSignal,
): Promise<Move> {
  const pulls = row.credentials.some(({ identity }) => identity !== undefined);
  const taken = pulls && (await containerGroups.isIsolated(placeOf(row), signal));
  return submitted(row, null, clock.now(), { credentials: withIsolation(row, plan, taken) });
}

/** The record says whether the workload is kept from an identity that pulls. */
function withIsolation({ credentials }: DeploymentRow, { workloadIdentities }: Plan, taken: boolean) {
  return credentials.map(credential =>
    credential.identity === undefined
      ? credential
      : { ...credential, isolated: isIsolated(credential.identity, { workload: workloadIdentities }, taken) },
  );
}

function submitted(row: DeploymentRow, operationUrl: string | null, at: Date, patch: Patch = {}): Move {
  const message = `Azure Resource Manager accepted container group '${row.name}'`;
  return goOn('Provisioning', { ...patch, operationUrl, liveRevision: row.revision }, [
    { at, source: 'Slipway', type: 'Submitted', message },
  ]);
}

/** Resolves the very versions that were proven. */
async function resolveSecrets(
  row: DeploymentRow,
  plan: Plan,
  parts: CredentialParts,
): Promise<Resolved | { failure: Failure }> {
  const credentials: ResolvedCredential[] = [];
  for (const planned of plan.registries) {
    const version = row.credentials.find(({ server }) => server === planned.host)?.secretVersion;
    const resolution = await resolveCredential(planned, parts, version);
    if (!resolution.ok) return { failure: resolution.failure };
    credentials.push(resolution.credential);
  }
  const workload = await resolveWorkloadSecrets(plan.workloadSecrets, parts);
  return workload.ok ? { plan, credentials, workload: workload.values } : { failure: workload.failure };
}

/** ACI names the image in its message, so the credential that goes with it can be named too. */
function explainRefusal(error: AzureError, row: DeploymentRow, { credentials }: Resolved): Failure {
  const image = row.images.find(({ resolved }) => error.message.includes(resolved)) ?? row.images[0];
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
      target: imagePointer(row.spec, image?.container),
      group: row.name,
      resourceGroup: row.resourceGroup,
      ...(image ? { image: image.requested } : {}),
      ...(credential ? { credential: explainable(credential) } : {}),
    },
  );
}
