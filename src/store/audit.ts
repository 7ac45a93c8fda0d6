import { type Kysely, type Selectable, sql, type Transaction } from 'kysely';
import type { AuditRecord } from '../schemas/audit.ts';
import type { Principal } from '../schemas/principal.ts';
import type { Database } from './database.ts';
import { json } from './json.ts';
import type { AuditTable, Tables } from './tables.ts';
import { asOperator, asTeams } from './walls.ts';

/** One row per change and per refusal; reads are not audited. */
export interface AuditEntry {
  at: Date;
  team: string | null;
  /** Null where nobody was signed in. */
  principal: Principal | null;
  onBehalfOf?: string | null;
  action: string;
  target: string | null;
  /** Why it was refused; null where it was allowed. */
  code: string | null;
  policyDigest: string | null;
  requestId: string;
  /** SHA-256 of the `Idempotency-Key` that came with it. */
  idempotencyKeyHash?: string | null;
  /** How many refusals the row stands for: more than one only in a flood. */
  count?: number;
}

export async function insertAudit(db: Kysely<Tables>, { principal, ...entry }: AuditEntry): Promise<void> {
  await db
    .insertInto('audit')
    .values({ ...entry, principal: json(principal) })
    .execute();
}

/** Who acts where nobody asks. */
export const slipway: Principal = { issuer: 'slipway', subject: 'slipway' };

/** What the audit keeps of an accepted change, beside what it is and of what. */
export interface Changer {
  team: string;
  createdBy: Principal;
  onBehalfOf: string | null;
  policyDigest: string;
  requestId: string;
  idempotencyKeyHash?: string | null;
  now: Date;
}

/** In the transaction that accepts the change. */
export function auditChange(
  trx: Transaction<Tables>,
  action: string,
  target: string,
  { team, createdBy, onBehalfOf, policyDigest, requestId, idempotencyKeyHash = null, now }: Changer,
): Promise<void> {
  return insertAudit(trx, {
    at: now,
    team,
    principal: createdBy,
    onBehalfOf,
    action,
    target,
    code: null,
    policyDigest,
    requestId,
    idempotencyKeyHash,
  });
}

export interface AuditFilter {
  team?: string | undefined;
  action?: string | undefined;
  code?: string | undefined;
  /** A subject or a client. */
  principal?: string | undefined;
  since?: Date | undefined;
  until?: Date | undefined;
}

/** What is read of the audit; how its rows are written is the business of who changes or refuses something. */
export interface AuditStore {
  /** Records what was refused. */
  refuse(entry: AuditEntry): Promise<void>;
  /** Newest first, of these teams; `'all'`: also what concerns no team. */
  list(
    teams: readonly string[] | 'all',
    filter: AuditFilter,
    page: { size: number; before?: number | undefined },
  ): Promise<{ value: AuditRecord[]; next?: number }>;
}

export function createAuditStore({ db }: Pick<Database, 'db'>): AuditStore {
  return {
    refuse: entry => asTeams(db, [], trx => insertAudit(trx, entry)),
    list: (teams, filter, page) =>
      teams === 'all'
        ? asOperator(db, trx => listAudit(trx, teams, filter, page))
        : asTeams(db, teams, trx => listAudit(trx, teams, filter, page)),
  };
}

async function listAudit(
  db: Kysely<Tables>,
  teams: readonly string[] | 'all',
  filter: AuditFilter,
  { size, before }: { size: number; before?: number | undefined },
): Promise<{ value: AuditRecord[]; next?: number }> {
  if (teams.length === 0) return { value: [] };
  let query = db.selectFrom('audit').selectAll();
  if (teams !== 'all') query = query.where('team', 'in', teams);
  for (const column of ['team', 'action', 'code'] as const) {
    const value = filter[column];
    if (value !== undefined) query = query.where(column, '=', value);
  }
  if (filter.principal !== undefined)
    query = query.where(
      sql<boolean>`(principal->>'subject' = ${filter.principal} or principal->>'client' = ${filter.principal})`,
    );
  if (filter.since) query = query.where('at', '>=', filter.since);
  if (filter.until) query = query.where('at', '<', filter.until);
  if (before !== undefined) query = query.where('id', '<', before);
  const rows = await query
    .orderBy('id', 'desc')
    .limit(size + 1)
    .execute();
  const value = rows.slice(0, size).map(recordOf);
  const last = value.at(-1);
  return rows.length > size && last ? { value, next: last.id } : { value };
}

function recordOf({ at, ...row }: Selectable<AuditTable>): AuditRecord {
  return { ...row, at: at.toISOString() };
}
