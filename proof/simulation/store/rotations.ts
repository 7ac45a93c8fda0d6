import type { ReadTeams } from '../../../src/store/deployments.ts';
import type { Claim } from '../../../src/store/jobs.ts';
import { enter, leave } from '../../../src/store/phases.ts';
import type {
  RotationAcceptance,
  RotationMove,
  RotationRow,
  SecretUse,
} from '../../../src/store/rotations.ts';
import { operationIn } from './operations.ts';
import { addOperation, kept, type Records, revisionIn } from './records.ts';

export function acceptRotation(records: Records, asked: RotationAcceptance) {
  const { operation, team, vault, secretName, caller, deadlineAt, policyDigest, now, idempotency } = asked;
  const known = idempotency && records.keys.get(idempotency.keyHash);
  if (known && known.expiresAt > now)
    return known.requestHash === idempotency.requestHash
      ? { operation: known.operationId, replayed: true }
      : null;
  const kind = 'Rotate';
  addOperation(
    records,
    { id: operation, deploymentId: null, team, kind, revision: 0, intent: { kind } },
    'Accepted',
    now,
  );
  records.rotations.set(operation, {
    ...{ id: operation, team, vault, secretName, policyDigest, deadlineAt, caller },
    ...{ retries: 0, version: null, items: null },
  });
  if (idempotency && !records.flaws.has('forgottenKey'))
    records.keys.set(idempotency.keyHash, { ...idempotency, deploymentId: null, operationId: operation });
  records.queue.enqueue(operation);
  return { operation, replayed: false };
}

export function settleRotation(records: Records, claim: Claim, row: RotationRow, move: RotationMove): void {
  records.queue.complete(claim);
  const { now, againInMs, phase, version, items, retries = 0, outcome, failure } = move;
  records.rotations.set(row.id, {
    ...row,
    retries,
    ...(version === undefined ? {} : { version }),
    ...(items === undefined ? {} : { items }),
  });
  const operation = operationIn(records, row.id);
  const { steps } = operation;
  const entered = phase && phase !== steps.at(-1)?.phase ? enter(leave(steps, now), phase, now) : steps;
  if (!operation.endedAt)
    records.operations.set(row.id, {
      ...operation,
      status: outcome ?? 'Running',
      steps: outcome ? leave(entered, now) : entered,
      ...(outcome ? { endedAt: now } : {}),
      ...(failure ? { failure: kept(failure) } : {}),
    });
  if (againInMs !== undefined && !outcome) records.queue.enqueue(row.id, againInMs);
}

type Named = { vault: string; secretName: string };

/** The live uses of a secret to pull in these teams. */
export function usesIn(records: Records, teams: ReadTeams, { vault, secretName }: Named): SecretUse[] {
  const seen = [...records.deployments.values()].filter(
    ({ team, holdsName }) => holdsName && (teams === 'all' || teams.includes(team)),
  );
  return seen.flatMap(({ id, name, target, team, liveRevision }) => {
    const live = liveRevision === null ? null : revisionIn(records, id, liveRevision);
    return (live?.credentials ?? []).flatMap(used =>
      used.vault === vault && used.secretName === secretName && used.secretVersion
        ? [
            {
              ...{ deployment: id, name, target, team, revision: live?.number ?? 0, server: used.server },
              ...{ pointers: null, version: used.secretVersion },
            },
          ]
        : [],
    );
  });
}
