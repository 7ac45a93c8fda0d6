import { type Kysely, sql, type Transaction } from 'kysely';
import type { Database } from './database.ts';
import type { Jobs } from './jobs.ts';
import { json } from './json.ts';
import type { PolicyActivationsTable, Tables } from './tables.ts';

const channel = 'slipway_policy';

/** A policy as it was written: one file, or several. */
export interface PolicyText {
  digest: string;
  files: { name: string; text: string }[];
}

/** The one policy that is active for all replicas. */
export interface ActivePolicy extends PolicyText {
  at: Date;
  /** The process that made it active. */
  by: string;
}

export interface Activation extends PolicyText {
  at: Date;
  by: string;
  cause: PolicyActivationsTable['cause'];
  /** Leaves what was active before, and is no more, as it is: a start with an old file brings nothing back. */
  onlyNew: boolean;
}

/** Which policy is active, for all replicas, and which were. */
export interface PolicyLedger {
  active(): Promise<ActivePolicy | null>;
  /** Makes a policy the active one, unless it is; resolves with the one that is active then. */
  activate(activation: Activation): Promise<ActivePolicy>;
  /** Calls back when another one may have become active. */
  listen(onChange: () => void): Promise<() => Promise<void>>;
}

export function createPolicyLedger({ db }: Pick<Database, 'db'>, jobs: Jobs): PolicyLedger {
  return {
    active: () => findActive(db),
    activate: activation => db.transaction().execute(trx => activate(trx, activation)),
    listen: onChange => jobs.listen(channel, onChange, onChange),
  };
}

async function findActive(db: Kysely<Tables>): Promise<ActivePolicy | null> {
  const row = await db
    .selectFrom('policyActivations as a')
    .innerJoin('policies as p', 'p.digest', 'a.digest')
    .select(['p.digest', 'p.files', 'a.at', 'a.by'])
    .orderBy('a.number', 'desc')
    .limit(1)
    .executeTakeFirst();
  return row ?? null;
}

async function activate(
  trx: Transaction<Tables>,
  { onlyNew, digest, files, at, by, cause }: Activation,
): Promise<ActivePolicy> {
  // One at a time; who reads does not wait.
  await sql`lock table policy_activations in exclusive mode`.execute(trx);
  const active = await findActive(trx);
  if (active?.digest === digest) return active;
  const added = await trx
    .insertInto('policies')
    .values({ digest, files: json(files) })
    .onConflict(conflict => conflict.column('digest').doNothing())
    .returning('digest')
    .executeTakeFirst();
  if (!added && onlyNew && active) return active;
  await trx.insertInto('policyActivations').values({ digest, at, by, cause }).execute();
  await sql`select pg_notify(${channel}, ${digest})`.execute(trx);
  return { digest, files, at, by };
}
