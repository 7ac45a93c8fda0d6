import { sql, type Transaction } from 'kysely';
import type { Tables } from './tables.ts';

// Any numbers that nothing else locks by.
const works = { 'sealing the audit': 0x51_1b_4a_7e, 'deleting what is past its time': 0x51_1b_4a_7f };

/** Whether this replica alone is at it until its transaction ends; who hears no leaves it to the other. */
export async function isAlone(trx: Transaction<Tables>, work: keyof typeof works): Promise<boolean> {
  const { rows } = await sql<{ mine: boolean }>`select
    pg_try_advisory_xact_lock(${works[work]}) as mine`.execute(trx);
  return rows[0]?.mine ?? false;
}
