import type { Failure } from '../../schemas/failure.ts';
import type { DeploymentRow, NewEvent } from '../../store/deployments.ts';
import { credentialRecord } from '../credentials.ts';
import { failure } from '../failure.ts';
import { isOurs, liveIn, marksOf } from '../group-marks.ts';
import { goOn, type Move, type Patch, refuse, stay } from '../move.ts';
import { pinnedTo, stillPinned } from '../pins.ts';
import type { Proven, Verdict } from '../preflight.ts';
import { credentialsIn, proveImages, type Resolved, resolveRegistries } from '../proof.ts';
import { rolePropagation } from '../pull-role.ts';
import { mayBeBack, outlast } from '../registry-outage.ts';
import { together } from '../together.ts';
import { findWorkloadSecrets } from '../workload-secrets.ts';
import { decideAgain, placeOf, type Stage, type StageParts } from './stage.ts';

/** Binds every credential, proves every image with it, pins the digests. Nothing in Azure changes. */
export const resolve: Stage = async (row, parts, signal) => {
  const now = parts.clock.now();
  const again = decideAgain(row, parts);
  if (!again.allowed) return refuse(row, again.failure, now, await leftBehind(row, parts, signal));

  using held = new DisposableStack();
  const credentialParts = { vault: parts.vault, policy: again.policy, now, signal, held };
  const [group, resolved, workload] = await together(
    findGroup(row, parts, signal),
    resolveRegistries(again.plan.registries, credentialParts),
    findWorkloadSecrets(again.plan.workloadSecrets, credentialParts),
  );
  if (group && !isOurs(group, row)) return refuse(row, groupExists(row), now);
  // What a change that was superseded has left there is a fact too.
  const found = { liveRevision: liveIn(group, row) };
  for (const { resolution } of resolved)
    if (!resolution.ok) return refuse(row, resolution.failure, now, found);
  if (!workload.ok) return refuse(row, workload.failure, now, found);
  const before = {
    ...found,
    workloadSecrets: workload.found,
    ...(group ? { intent: { ...row.intent, before: marksOf(group) } } : {}),
  };
  // Awaited here: what is held ends with this function.
  return await prove(row, resolved, before, parts, signal);
};

/** What Azure has of the deployment although this revision never came there; of a first one nobody need be asked. */
async function leftBehind(row: DeploymentRow, { containerGroups }: StageParts, signal: AbortSignal) {
  if (row.revision === 1) return {};
  return { liveRevision: liveIn(await containerGroups.get(placeOf(row), signal), row) };
}

/** So that a name that is taken is told at once. In a crowd only `submit` looks, right before it puts. */
async function findGroup(row: DeploymentRow, { looks, containerGroups }: StageParts, signal: AbortSignal) {
  if (row.revision === 1 && (await looks.isCrowded(row))) return null;
  return containerGroups.get(placeOf(row), signal);
}

async function prove(
  row: DeploymentRow,
  resolved: Resolved[],
  before: Patch,
  parts: StageParts,
  signal: AbortSignal,
): Promise<Move> {
  const now = parts.clock.now();
  const group = { name: row.name, resourceGroup: row.resourceGroup };
  const verdicts = await proveImages(pinnedTo(row.intent.pins, row.spec), resolved, row.spec, {
    ...parts,
    now,
    group,
    signal,
  });
  const proven = verdicts.filter(verdict => verdict.ok);
  const records = {
    ...before,
    credentials: credentialsIn(resolved)
      .filter(({ kind }) => kind !== 'anonymous')
      .map(credential => ({ ...credentialRecord(credential), ...grantOf(credential.host, proven) })),
  };
  const refused = refusalIn(verdicts, row, now);
  if (refused) return refuse(row, refused, now, records);

  const settling = proven
    .flatMap(({ grant }) => (grant ? [grant] : []))
    .find(({ waitUntil }) => waitUntil > now);
  if (settling) return waitForRole(row, settling.waitUntil, now, records);
  const images = proven.map(({ image }) => stillPinned(image, row.intent.pins));
  return goOn(
    'Submitting',
    { ...records, images },
    proven.flatMap(verdict => eventsOf(verdict, now)),
  );
}

/** What stands is told before what may pass, which is waited for. */
function refusalIn(verdicts: readonly Verdict[], row: DeploymentRow, now: Date): Failure | null {
  const failures = verdicts.flatMap(verdict => (verdict.ok ? [] : [verdict.failure]));
  const [out] = failures;
  return failures.find(each => !mayBeBack(each)) ?? (out ? outlast(out, row, now) : null);
}

/** A role that is young may not be known everywhere yet: for its first seconds Azure is not even asked. */
function waitForRole(row: DeploymentRow, until: Date, now: Date, records: Patch): Move {
  const reason = rolePropagation;
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
