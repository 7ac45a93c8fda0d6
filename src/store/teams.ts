import { sql, type Transaction } from 'kysely';
import { createError } from '../errors.ts';
import type { Tables } from './tables.ts';

/** How long a change waits for another of its team that is being accepted. */
const longestWait = '5s';

/**
 * Changes of one team are accepted one after the other: name, quota and idempotency key are one decision. Throws
 * `IdempotentRequestInProgress`, or without a key `StoreUnavailable`, where the one before takes too long.
 */
export async function lockTeam(
  trx: Transaction<Tables>,
  { team, idempotency }: { team: string; idempotency?: object },
): Promise<void> {
  await trx
    .insertInto('teams')
    .values({ team })
    .onConflict(conflict => conflict.doNothing())
    .execute();
  await sql`select set_config('lock_timeout', ${longestWait}, true)`.execute(trx);
  try {
    await trx.selectFrom('teams').select('team').where('team', '=', team).forUpdate().execute();
  } catch (error) {
    throw isLockTimeout(error) ? stillAccepting(idempotency !== undefined) : error;
  }
  await sql`select set_config('lock_timeout', '0', true)`.execute(trx);
}

const isLockTimeout = (error: unknown) => error instanceof Error && 'code' in error && error.code === '55P03';

const again = { headers: { 'retry-after': '1' } };

const stillAccepting = (hasKey: boolean) =>
  hasKey
    ? createError(
        'IdempotentRequestInProgress',
        'Another change is still being accepted, which may be the first with this key; send the same again.',
        again,
      )
    : createError(
        'StoreUnavailable',
        'Another change of the team is still being accepted; try again.',
        again,
      );
