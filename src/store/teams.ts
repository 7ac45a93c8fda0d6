import type { Transaction } from 'kysely';
import type { Tables } from './tables.ts';

/** Changes of one team are accepted one after the other: name, quota and idempotency key are one decision. */
export async function lockTeam(trx: Transaction<Tables>, team: string): Promise<void> {
  await trx
    .insertInto('teams')
    .values({ team })
    .onConflict(conflict => conflict.doNothing())
    .execute();
  await trx.selectFrom('teams').select('team').where('team', '=', team).forUpdate().execute();
}
