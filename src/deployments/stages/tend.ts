import { randomUUIDv7 } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { Condition } from '../../schemas/deployment.ts';
import type { DeploymentRow, NewEvent, RevisionRow } from '../../store/deployments.ts';
import { credentialConditions } from '../credential-conditions.ts';
import { driftOf } from '../drift.ts';
import { type Move, stay } from '../move.ts';
import { placeOf, type StageParts } from './stage.ts';

export interface TendParts extends StageParts {
  /** How often a settled deployment is looked at, where there are not too many. */
  tendEveryMs: number;
  revision(row: DeploymentRow, number: number): Promise<RevisionRow | null>;
}

/**
 * Looks after a deployment that is settled: what was changed behind our back and what became of its credentials is told,
 * and nothing is put back; at `expiresAt` the group is deleted.
 */
export async function tend(row: DeploymentRow, parts: TendParts, signal: AbortSignal): Promise<Move> {
  const now = parts.clock.now();
  if (row.expiresAt && row.expiresAt <= now) return expire(row, now);
  const live = row.liveRevision === null ? null : await parts.revision(row, row.liveRevision);
  const found = live
    ? [
        ...driftOf(row, live, await parts.documents.read(placeOf(row), signal)),
        ...(await credentialConditions([...live.credentials, ...live.workloadSecrets], parts, now, signal)),
      ]
    : [];
  const conditions = found.map(each => ({ ...each, since: sinceOf(row, each) ?? now.toISOString() }));
  const afterMs = untilTend(row, parts);
  if (isDeepStrictEqual(conditions, row.conditions)) return stay(row.status, afterMs);
  return stay(row.status, afterMs, { conditions }, changesOf(row.conditions, conditions, now));
}

/** When it is looked at next: at the latest when it expires. */
export function untilTend(row: DeploymentRow, parts: TendParts): number {
  const { expiresAt } = row;
  const usual = parts.looks.nextComparisonInMs(row, parts.tendEveryMs);
  const left = expiresAt ? expiresAt.getTime() - parts.clock.now().getTime() : usual;
  return Math.max(0, Math.min(usual, left));
}

function expire(row: DeploymentRow, at: Date): Move {
  const message = `It was to live until ${row.expiresAt?.toISOString()}: the container group is deleted`;
  return {
    ...stay(row.status, 0, {}, [{ at, source: 'Slipway', type: 'Expired', message }]),
    begins: { operation: randomUUIDv7(), kind: 'Delete' },
  };
}

const sinceOf = ({ conditions }: DeploymentRow, { type }: Pick<Condition, 'type'>) =>
  conditions.find(known => known.type === type)?.since;

function changesOf(before: readonly Condition[], after: readonly Condition[], at: Date): NewEvent[] {
  const has = (list: readonly Condition[], { type }: Condition) => list.some(each => each.type === type);
  const came = after
    .filter(each => !has(before, each))
    .map(({ type, message }) => ({ at, source: 'Slipway' as const, type, message }));
  const went = before
    .filter(each => !has(after, each))
    .map(({ type }) => ({
      at,
      source: 'Slipway' as const,
      type: `${type}Ended`,
      message: 'It is no longer so',
    }));
  return [...came, ...went];
}
