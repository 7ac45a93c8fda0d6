import { randomUUIDv7 } from 'node:crypto';
import { type Kysely, sql, type Transaction } from 'kysely';
import { insertAudit, slipway } from './audit.ts';
import type { Tables } from './tables.ts';

const action = 'deleteAudit';
const targetOf = (batch: number) => `audit up to batch ${batch}`;

/**
 * Deletes whole sealed batches from the beginning of the audit, some `most` rows of them, that were sealed before an
 * instant; how many rows. The audit itself says so, in a row that is sealed as any other: who deletes a beginning without
 * it is found out. The first batch that is left has the head of the last that is gone.
 */
export async function pruneAudit(
  trx: Transaction<Tables>,
  { before, most, now }: { before: Date; most: number; now: Date },
): Promise<number> {
  const { rows } = await sql<{ upTo: number; deleted: number }>`select up_to, deleted
    from prune_audit(${before}, ${most})`.execute(trx);
  const [pruned] = rows;
  if (!pruned) return 0;
  await insertAudit(trx, {
    ...{
      at: now,
      team: null,
      principal: slipway,
      action,
      target: targetOf(pruned.upTo),
      count: pruned.deleted,
    },
    ...{ code: null, policyDigest: null, requestId: randomUUIDv7() },
  });
  return pruned.deleted;
}

/** The last batch of which the audit says that it was deleted; 0 where none was. */
export async function lastPruned(db: Kysely<Tables>): Promise<number> {
  const newest = await db
    .selectFrom('audit')
    .select('target')
    .where('action', '=', action)
    .where('code', 'is', null)
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst();
  return Number(/^audit up to batch (\d+)$/.exec(newest?.target ?? '')?.[1] ?? 0);
}
