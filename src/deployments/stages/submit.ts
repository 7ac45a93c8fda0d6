import type { ContainerGroupState } from '../../azure/container-groups.ts';
import { AzureError } from '../../azure/failure.ts';
import type { Plan } from '../../policy/decide.ts';
import { registryOf } from '../../registry/reference.ts';
import type { Failure } from '../../schemas/failure.ts';
import type { Secret } from '../../secret.ts';
import type { DeploymentRow, NewEvent } from '../../store/deployments.ts';
import { acceptedBy, operationAccepted, untold } from '../arm-operation.ts';
import { containerGroupBody } from '../container-group.ts';
import { type CredentialParts, type ResolvedCredential, resolveCredential } from '../credentials.ts';
import { explain } from '../explain.ts';
import { isOurs, liveIn } from '../group-marks.ts';
import { isIsolated } from '../identity-acls.ts';
import { goOn, type Move, type Patch, refuse, stay } from '../move.ts';
import { NotNow, passes } from '../not-now.ts';
import { explainable } from '../preflight.ts';
import { rolePropagation, spreading } from '../pull-role.ts';
import { imagePointer } from '../spec.ts';
import { noToken } from '../thrown.ts';
import { resolveWorkloadSecrets } from '../workload-secrets.ts';
import { takeAway } from './remove.ts';
import { groupExists } from './resolve.ts';
import { decideAgain, placeOf, type Stage, type StageParts } from './stage.ts';

/**
 * Puts the container group, under the deployment's own name and with its id and revision as tags: doing it twice is
 * harmless, and a group that carries them already is not put again. What ARM cannot change in place is deleted first,
 * where the caller allowed it: each step is seen in ARM, so that a kill between two of them changes nothing.
 */
export const submit: Stage = async (row, parts, signal) => {
  const now = parts.clock.now();
  const again = decideAgain(row, parts);
  if (!again.allowed && !mayBeThere(row)) return refuse(row, again.failure, now);
  const present = await parts.containerGroups.get(placeOf(row), signal);
  if (!again.allowed) return giveUp(row, again.failure, present, now);
  if (present && !isOurs(present, row)) return refuse(row, groupExists(row), now, { liveRevision: null });
  if (liveIn(present, row) === row.revision) return await submittedBefore(row, again.plan, parts, signal);
  if (present && row.intent.deletionSentAt !== undefined) return takeAway(present, row, parts, signal);

  using held = new DisposableStack();
  const resolved = await resolveSecrets(row, again.plan, {
    vault: parts.vault,
    policy: again.policy,
    now,
    signal,
    held,
  });
  if ('failure' in resolved)
    return refuse(row, resolved.failure, now, { liveRevision: liveIn(present, row) });
  if (present && row.intent.replaces) return await makeRoom(row, present, parts, signal);
  // Awaited here: what is held ends with this function.
  return await put(row, resolved, parts, signal);
};

/** It was sent before, and what came of that is not known. */
const mayBeThere = ({ retries, intent }: DeploymentRow) => retries > 0 || intent.late !== undefined;

/** What Azure has taken all the same is cleared away first. */
function giveUp(row: DeploymentRow, found: Failure, present: ContainerGroupState | null, now: Date): Move {
  const liveRevision = liveIn(present, row);
  if (liveRevision !== row.revision) return refuse(row, found, now, { liveRevision });
  return stay('Submitting', 0, { failure: found, liveRevision });
}

/** Everything that the new group needs is there: the old one goes. */
async function makeRoom(
  row: DeploymentRow,
  present: ContainerGroupState,
  parts: StageParts,
  signal: AbortSignal,
): Promise<Move> {
  const move = await takeAway(present, row, parts, signal);
  const message = 'The container group is deleted: Azure cannot change it in place';
  const replacing = { at: parts.clock.now(), source: 'Slipway', type: 'Replacing', message } as const;
  return {
    ...move,
    patch: { ...move.patch, liveRevision: null, health: 'Missing' },
    events: [...(row.liveRevision === null ? [] : [replacing]), ...(move.events ?? [])],
  };
}

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
      revision: row.revision,
      team: row.team,
      spec: row.spec,
      images: row.images,
      ...resolved,
    });
  try {
    const taken = await parts.containerGroups.put(placeOf(row), build, signal);
    const credentials = withIsolation(row, resolved.plan, taken.isolated);
    const event = acceptedBy(taken, row, parts.clock.now());
    return await submitted(row, event, parts, { credentials, operationUrl: taken.operationUrl });
  } catch (error) {
    if (!(error instanceof AzureError)) throw error;
    // The group is not as the record has it, or the spec was not compared with it.
    if (row.intent.allowReplace && needsRoom.has(error.code))
      return stay('Submitting', 0, { intent: { ...row.intent, replaces: true } });
    const found = explainRefusal(error, row, resolved);
    if (error.retryable || passes(found)) throw new NotNow(found, error);
    const now = parts.clock.now();
    const young = spreading(found, row, now);
    if (young) throw new NotNow(young, error, rolePropagation);
    return refuse(row, found, now);
  }
}

const needsRoom: ReadonlySet<string | null> = new Set([
  'InvalidContainerGroupUpdate',
  'InvalidResourceLocation',
]);

/** Its answer was lost: what it came to is read from the group. */
async function submittedBefore(
  row: DeploymentRow,
  plan: Plan,
  parts: StageParts,
  signal: AbortSignal,
): Promise<Move> {
  const { containerGroups, clock } = parts;
  const pulls = row.credentials.some(({ identity }) => identity !== undefined);
  const taken = pulls && (await containerGroups.isIsolated(placeOf(row), signal));
  const message = `Azure Resource Manager has container group '${row.name}': its answer was lost`;
  const event = { at: clock.now(), source: 'Arm' as const, type: operationAccepted, message };
  return submitted(row, event, parts, { credentials: withIsolation(row, plan, taken), operationUrl: null });
}

/** The record says whether the workload is kept from an identity that pulls. */
function withIsolation({ credentials }: DeploymentRow, { workloadIdentities }: Plan, taken: boolean) {
  return credentials.map(credential =>
    credential.identity === undefined
      ? credential
      : { ...credential, isolated: isIsolated(credential.identity, { workload: workloadIdentities }, taken) },
  );
}

async function submitted(
  row: DeploymentRow,
  event: NewEvent,
  { looks }: StageParts,
  patch: Patch,
): Promise<Move> {
  const move = goOn('Provisioning', { ...patch, ...untold(row), liveRevision: row.revision }, [event]);
  return { ...move, againInMs: await looks.firstInMs(row) };
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
  const workload = await resolveWorkloadSecrets(plan.workloadSecrets, row.workloadSecrets, parts);
  return workload.ok ? { plan, credentials, workload: workload.values } : { failure: workload.failure };
}

/** ACI names the image in its message, so the credential that goes with it can be named too. */
function explainRefusal(error: AzureError, row: DeploymentRow, { credentials }: Resolved): Failure {
  if (error.kind === 'identity') return noToken(error, 'Submitting');
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
