import type { Kysely } from 'kysely';
import type { Principal } from '../schemas/principal.ts';
import { json } from './json.ts';
import type { Tables } from './tables.ts';

/** One row per change and per refusal; reads are not audited. */
export interface AuditEntry {
  at: Date;
  team: string | null;
  principal: Principal;
  action: string;
  target: string | null;
  /** Why it was refused; null where it was allowed. */
  code: string | null;
  policyDigest: string | null;
  requestId: string;
}

export async function insertAudit(db: Kysely<Tables>, { principal, ...entry }: AuditEntry): Promise<void> {
  await db
    .insertInto('audit')
    .values({ ...entry, principal: json(principal) })
    .execute();
}
