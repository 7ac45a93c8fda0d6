import type { ContainerGroupState } from '../../azure/container-groups.ts';
import type { Failure } from '../../schemas/failure.ts';
import type { DeploymentRow, NewEvent } from '../../store/deployments.ts';
import { ownerTag } from '../container-group.ts';
import { credentialRecord } from '../credentials.ts';
import { failure } from '../failure.ts';
import { fail, goOn, type Move, type Patch, stay } from '../move.ts';
import type { Proven } from '../preflight.ts';
import { credentialsIn, proveImages, type Resolved, resolveRegistries } from '../proof.ts';
import { readImages } from '../spec.ts';
import { together } from '../together.ts';
import { checkWorkloadSecrets } from '../workload-secrets.ts';
import { decideAgain, placeOf, type Stage, type StageParts } from './stage.ts';

/** Binds every credential, proves every image with it, pins the digests. Nothing in Azure changes. */
export const resolve: Stage = async (row, parts, signal) => {
  const now = parts.clock.now();
  const again = decideAgain(row, parts);
  if (!again.allowed) return fail(again.failure, now, { holdsName: false });

  using held = new DisposableStack();
  const credentialParts = { vault: parts.vault, policy: again.policy, now, signal, held };
  const [foreign, resolved, unusable] = await together(
    parts.containerGroups.get(placeOf(row), signal),
    resolveRegistries(again.plan.registries, credentialParts),
    checkWorkloadSecrets(again.plan.workloadSecrets, credentialParts),
  );
  if (foreign && !isOurs(foreign, row)) return fail(groupExists(row), now, { holdsName: false });
  for (const { resolution } of resolved)
    if (!resolution.ok) return fail(resolution.failure, now, { holdsName: false });
  if (unusable) return fail(unusable, now, { holdsName: false });
  // Awaited here: what is held ends with this function.
  return await prove(row, resolved, parts, signal);
};

async function prove(
  row: DeploymentRow,
  resolved: Resolved[],
  parts: StageParts,
  signal: AbortSignal,
): Promise<Move> {
  const now = parts.clock.now();
  const group = { name: row.name, resourceGroup: row.resourceGroup };
  const verdicts = await proveImages(readImages(row.spec), resolved, row.spec, {
    ...parts,
    now,
    group,
    signal,
  });
  const proven = verdicts.filter(verdict => verdict.ok);
  const records = {
    credentials: credentialsIn(resolved)
      .filter(({ kind }) => kind !== 'anonymous')
      .map(credential => ({ ...credentialRecord(credential), ...grantOf(credential.host, proven) })),
  };
  const refused = verdicts.find(verdict => !verdict.ok);
  if (refused) return fail(refused.failure, now, { ...records, holdsName: false });

  const settling = proven
    .flatMap(({ grant }) => (grant ? [grant] : []))
    .find(({ waitUntil }) => waitUntil > now);
  if (settling) return waitForRole(row, settling.waitUntil, now, records);
  const images = proven.map(({ image }) => image);
  return goOn(
    'Submitting',
    { ...records, images },
    proven.flatMap(verdict => eventsOf(verdict, now)),
  );
}
/** A role that is young may not be known everywhere yet: for its first seconds Azure is not even asked. */
function waitForRole(row: DeploymentRow, until: Date, now: Date, records: Pick<Patch, 'credentials'>): Move {
  const reason = 'RolePropagation';
  const since = row.waitingFor?.reason === reason ? row.waitingFor.since : now.toISOString();
  const waitingFor = { reason, since, until: until.toISOString() };
  return stay(row.status, until.getTime() - now.getTime(), { ...records, waitingFor });
}

function grantOf(host: string, proven: readonly Proven[]): { roleGrantedAt?: string } {
  const grant = proven.find(verdict => verdict.host === host)?.grant;
  return grant ? { roleGrantedAt: grant.at.toISOString() } : {};
}

function eventsOf({ image, notes }: Proven, at: Date): NewEvent[] {
  const said = image.digest
    ? `${image.requested} is ${image.digest}`
    : `${image.requested} could not be looked at; its tag is sent`;
  const event = { at, source: 'Slipway' as const, container: image.container };
  return [
    { ...event, type: 'ImageResolved', message: said },
    ...notes.map(message => ({ ...event, type: 'RegistryNoted', message })),
  ];
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
