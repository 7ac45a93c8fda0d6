import type { ContainerGroupState } from '../../azure/container-groups.ts';
import { AzureError } from '../../azure/failure.ts';
import { canonicalRegistry } from '../../hosts.ts';
import type { PlannedRegistry } from '../../policy/decide.ts';
import type { Failure } from '../../schemas/failure.ts';
import type { DeploymentRow } from '../../store/deployments.ts';
import { ownerTag } from '../container-group.ts';
import {
  type CredentialParts,
  credentialRecord,
  type Resolution,
  type ResolvedCredential,
  resolveCredential,
} from '../credentials.ts';
import { explain } from '../explain.ts';
import { failure } from '../failure.ts';
import { fail, goOn, type Move } from '../move.ts';
import { preflight } from '../preflight.ts';
import { readImages } from '../spec.ts';
import { checkWorkloadSecrets } from '../workload-secrets.ts';
import { decideAgain, placeOf, type Stage, type StageParts } from './stage.ts';

/** Binds every credential, proves every image with it, pins the digests. Nothing in Azure changes. */
export const resolve: Stage = async (row, parts, signal) => {
  const now = parts.clock.now();
  const again = decideAgain(row, parts);
  if (!again.allowed) return fail(again.failure, now, { holdsName: false });

  using held = new DisposableStack();
  const credentialParts = { vault: parts.vault, policy: again.policy, now, signal, held };
  const [foreign, resolutions, unusable] = await together(
    parts.containerGroups.get(placeOf(row), signal),
    together(...again.plan.registries.map(planned => resolveOne(planned, credentialParts))),
    checkWorkloadSecrets(again.plan.workloadSecrets, credentialParts),
  );
  if (foreign && !isOurs(foreign, row)) return fail(groupExists(row), now, { holdsName: false });
  const refused = resolutions.find(resolution => !resolution.ok);
  if (refused && !refused.ok) return fail(refused.failure, now, { holdsName: false });
  if (unusable) return fail(unusable, now, { holdsName: false });

  const credentials = resolutions.flatMap(resolution => (resolution.ok ? [resolution.credential] : []));
  // Awaited here: what is held ends with this function.
  return await proveImages(row, credentials, parts, signal);
};

/** All of them, also where one throws: none may go on resolving a secret after the stage has ended. */
async function together<T extends readonly unknown[]>(
  ...promises: { [K in keyof T]: Promise<T[K]> }
): Promise<T> {
  await Promise.allSettled(promises);
  return Promise.all(promises) as unknown as Promise<T>;
}

async function proveImages(
  row: DeploymentRow,
  credentials: ResolvedCredential[],
  parts: StageParts,
  signal: AbortSignal,
): Promise<Move> {
  const now = parts.clock.now();
  const group = { name: row.name, resourceGroup: row.resourceGroup };
  const verdicts = await Promise.all(
    readImages(row.spec).map(image => {
      const credential = credentials.find(({ host }) => host === canonicalRegistry(image.reference.domain));
      if (!credential) throw new Error(`no credential was planned for ${image.reference.domain}`);
      return preflight(image, credential, row.spec, { ...parts, group, signal });
    }),
  );
  const records = {
    credentials: credentials.filter(({ kind }) => kind !== 'anonymous').map(credentialRecord),
  };
  const refused = verdicts.find(verdict => !verdict.ok);
  if (refused && !refused.ok) return fail(refused.failure, now, { ...records, holdsName: false });

  const images = verdicts.flatMap(verdict => (verdict.ok ? [verdict.image] : []));
  const events = images.map(image => ({
    at: now,
    source: 'Slipway' as const,
    type: 'ImageResolved',
    container: image.container,
    message: image.digest
      ? `${image.requested} is ${image.digest}`
      : `${image.requested} could not be looked at; its tag is sent`,
  }));
  return goOn('Submitting', { ...records, images }, events);
}

async function resolveOne(planned: PlannedRegistry, parts: CredentialParts): Promise<Resolution> {
  try {
    return await resolveCredential(planned, parts);
  } catch (error) {
    if (!(error instanceof AzureError) || error.retryable || planned.kind !== 'secret') throw error;
    return { ok: false, failure: explainVault(error, planned) };
  }
}

function explainVault(error: AzureError, planned: PlannedRegistry & { kind: 'secret' }): Failure {
  return explain(
    { kind: 'vault', status: error.status, code: error.code, message: error.message },
    {
      stage: 'Resolving',
      target: planned.pointer,
      credential: {
        kind: 'secret',
        vault: planned.vault.name,
        secretName: planned.secretName,
        server: planned.host,
      },
    },
  );
}

/** Only what carries our tag is ours; ARM keeps tag names without case. */
export function isOurs(group: ContainerGroupState, row: DeploymentRow): boolean {
  const owner = Object.entries(group.tags).find(([name]) => name.toLowerCase() === ownerTag)?.[1];
  return owner === row.id;
}

export function groupExists({ name, resourceGroup, status }: DeploymentRow): Failure {
  return failure(
    'ContainerGroupExists',
    `Resource group '${resourceGroup}' has a container group '${name}' that Slipway did not make.`,
    {
      stage: status,
      target: '/name',
      evidence: [{ step: 'arm', message: 'the group carries no tag of this deployment' }],
      fixes: [
        {
          who: 'caller',
          action: 'Take another name, or delete the group if nobody needs it',
          command: `az container show --resource-group ${resourceGroup} --name ${name} --output table`,
        },
      ],
    },
  );
}
