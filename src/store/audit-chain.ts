import { createHash } from 'node:crypto';
import type { Kysely, Selectable, Transaction } from 'kysely';
import type { Log } from '../log.ts';
import { json } from './json.ts';
import { isAlone } from './one-replica.ts';
import type { AuditTable, Tables } from './tables.ts';
import { asWorker } from './walls.ts';

export type AuditRow = Selectable<AuditTable>;

export interface Batch {
  number: number;
  previous: string;
  head: string;
  /** Id and hash of each of its rows, in the order of ids. */
  entries: [id: number, hash: string][];
}

/** The head before the first batch. */
export const noHead = '0'.repeat(64);

const longestBatch = 1_000;

/**
 * Chains what has been committed since, in batches, each with its own commit, and logs each head: the log anchors the
 * chain. A row that commits later than one with a higher number goes into a later batch: none is skipped. Returns how
 * many rows were sealed; 0 also where another replica is at it.
 */
export async function sealAudit(db: Kysely<Tables>, { log, now }: { log: Log; now: Date }): Promise<number> {
  let sealed = 0;
  for (;;) {
    const batch = await asWorker(db, trx => sealBatch(trx, now));
    if (!batch) return sealed;
    logHead(log, batch);
    sealed += batch.entries.length;
    if (batch.entries.length < longestBatch) return sealed;
  }
}

/** For the log of a process that starts: a kill may have come between a commit and its line. */
export async function logNewestHead(db: Kysely<Tables>, log: Log): Promise<void> {
  const newest = await asWorker(db, newestBatch);
  if (newest) logHead(log, newest);
}

function logHead(log: Log, { number, head, entries }: Batch): void {
  log.info({ audit: { batch: number, head, rows: entries.length } }, 'the audit is sealed');
}

async function sealBatch(trx: Transaction<Tables>, now: Date): Promise<Batch | null> {
  if (!(await isAlone(trx, 'sealing the audit'))) return null;
  const rows = await trx
    .selectFrom('audit')
    .selectAll()
    .where('batch', 'is', null)
    .orderBy('id')
    .limit(longestBatch)
    .execute();
  if (rows.length === 0) return null;
  const last = await newestBatch(trx);
  const batch = batchOf((last?.number ?? 0) + 1, last?.head ?? noHead, rows);
  const { number, previous, head, entries } = batch;
  await trx
    .insertInto('auditBatches')
    .values({ number, previous, head, entries: json(entries), sealedAt: now })
    .execute();
  await trx
    .updateTable('audit')
    .set({ batch: number })
    .where(
      'id',
      'in',
      rows.map(({ id }) => id),
    )
    .execute();
  return batch;
}

async function newestBatch(db: Kysely<Tables>): Promise<Batch | undefined> {
  return db.selectFrom('auditBatches').selectAll().orderBy('number', 'desc').limit(1).executeTakeFirst();
}

function batchOf(number: number, previous: string, rows: readonly AuditRow[]): Batch {
  const entries = rows.map((row): [number, string] => [row.id, hashOfRow(row)]);
  return { number, previous, entries, head: headOf({ number, previous, entries }) };
}

export function headOf({ number, previous, entries }: Omit<Batch, 'head'>): string {
  return sha256(JSON.stringify([number, previous, entries]));
}

/** Of everything that a row says; which batch it is in is said by the batch. */
export function hashOfRow(row: AuditRow): string {
  return sha256(
    JSON.stringify([
      row.id,
      row.at.toISOString(),
      row.team,
      row.principal && Object.entries(row.principal).sort(([a], [b]) => (a < b ? -1 : 1)),
      row.onBehalfOf,
      row.action,
      row.target,
      row.code,
      row.policyDigest,
      row.requestId,
      row.idempotencyKeyHash,
      row.count,
    ]),
  );
}

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
