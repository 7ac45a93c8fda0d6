import type { Kysely } from 'kysely';
import { type AuditRow, type Batch, hashOfRow, headOf, noHead } from './audit-chain.ts';
import { lastPruned } from './audit-pruning.ts';
import type { Tables } from './tables.ts';

/** A head as a log line told it. */
export interface LoggedHead {
  batch: number;
  head: string;
}

export interface Verdict {
  /** The number of the newest. */
  batches: number;
  /** The last of those whose time was over; 0 where all are there. */
  pruned: number;
  rows: number;
  /** Of the newest batch. */
  head: string | null;
  /** Rows that wait for their batch: nothing vouches for them yet. */
  unsealed: number;
  /** One sentence for each row or batch that is not as it was sealed. */
  faults: string[];
}

/**
 * Computes the chain anew from the rows. The database alone shows what was changed by who left the chain as it was; who
 * rewrote the chain, or cut its end off, is shown by the heads from the log. Give it a transaction `asWorker`: the audit
 * is behind the teams' walls.
 */
export async function verifyAudit(db: Kysely<Tables>, logged: readonly LoggedHead[] = []): Promise<Verdict> {
  const pruned = await lastPruned(db);
  const verdict: Verdict = { batches: pruned, pruned, rows: 0, head: null, unsealed: 0, faults: [] };
  const heads = new Map<number, string>();
  for await (const batch of readBatches(db)) {
    // The head of what is gone is vouched for by the batch that follows it.
    if (pruned > 0 && heads.size === 0) heads.set(pruned, batch.previous);
    verdict.faults.push(...chainFaults(batch, verdict.batches, heads.get(verdict.batches) ?? noHead));
    verdict.faults.push(...rowFaults(batch, await readRows(db, batch.number)));
    heads.set(batch.number, batch.head);
    verdict.batches = batch.number;
    verdict.rows += batch.entries.length;
    verdict.head = batch.head;
  }
  verdict.faults.push(...(await strayFaults(db, verdict.batches)), ...logFaults(heads, logged, pruned));
  verdict.unsealed = await countUnsealed(db);
  return verdict;
}

async function* readBatches(db: Kysely<Tables>): AsyncGenerator<Batch> {
  for (let after: number | null = null; ; ) {
    const all = db.selectFrom('auditBatches').selectAll().orderBy('number').limit(1);
    const next: Batch | undefined = await (after === null
      ? all
      : all.where('number', '>', after)
    ).executeTakeFirst();
    if (!next) return;
    after = next.number;
    yield next;
  }
}

function readRows(db: Kysely<Tables>, batch: number): Promise<AuditRow[]> {
  return db.selectFrom('audit').selectAll().where('batch', '=', batch).orderBy('id').execute();
}

function* chainFaults(batch: Batch, before: number, head: string): Generator<string> {
  if (batch.number !== before + 1)
    yield `batch ${batch.number} follows batch ${before}: what was between is missing`;
  else if (batch.previous !== head)
    yield `batch ${batch.number} was sealed after head ${batch.previous}, and batch ${before} has ${head}`;
  if (headOf(batch) !== batch.head) yield `batch ${batch.number}: its own record was changed`;
}

function* rowFaults({ number, entries }: Batch, rows: readonly AuditRow[]): Generator<string> {
  const present = new Map(rows.map(row => [row.id, row]));
  for (const [id, hash] of entries) {
    const row = present.get(id);
    if (!row) yield `batch ${number}: row ${id} was removed`;
    else if (hashOfRow(row) !== hash) yield `batch ${number}: row ${id} was changed`;
    present.delete(id);
  }
  for (const id of present.keys()) yield `batch ${number}: row ${id} was inserted`;
}

/** Rows that name a batch which does not exist. */
async function strayFaults(db: Kysely<Tables>, newest: number): Promise<string[]> {
  const rows = await db
    .selectFrom('audit')
    .select(['id', 'batch'])
    .where('batch', 'is not', null)
    .where(({ not, exists, selectFrom }) =>
      not(exists(selectFrom('auditBatches').select('number').whereRef('number', '=', 'audit.batch'))),
    )
    .orderBy('id')
    .limit(1_000)
    .execute();
  return rows.map(
    ({ id, batch }) => `batch ${batch}: row ${id} names it, and there are batches up to ${newest} without it`,
  );
}

function logFaults(
  heads: ReadonlyMap<number, string>,
  logged: readonly LoggedHead[],
  pruned: number,
): string[] {
  return logged.flatMap(({ batch, head }) => {
    const here = heads.get(batch);
    if (here === head || batch < pruned) return [];
    return here === undefined
      ? [`batch ${batch} is missing: the log has its head ${head}`]
      : [`batch ${batch} was rewritten: the log has head ${head}, and here it is ${here}`];
  });
}

async function countUnsealed(db: Kysely<Tables>): Promise<number> {
  const { unsealed } = await db
    .selectFrom('audit')
    .select(({ fn }) => fn.countAll<number>().as('unsealed'))
    .where('batch', 'is', null)
    .executeTakeFirstOrThrow();
  return unsealed;
}
