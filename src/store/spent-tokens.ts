import { sql } from 'kysely';
import type { Database } from './database.ts';

/** Which tokens that are good for one change have made it: known to all replicas, until the tokens expire. */
export interface SpentTokens {
  /** Whether it was not spent before; of those who spend it at once one hears yes. */
  spend(tokenHash: string, expiresAt: Date, now: Date): Promise<boolean>;
}

export function createSpentTokens({ db }: Pick<Database, 'db'>): SpentTokens {
  return {
    async spend(tokenHash, expiresAt, now) {
      // A few for each one that is added: the table stays as large as what has not expired.
      await sql`delete from spent_tokens where token_hash in
        (select token_hash from spent_tokens where expires_at <= ${now} limit 10 for update skip locked)`.execute(
        db,
      );
      const spent = await db
        .insertInto('spentTokens')
        .values({ tokenHash, expiresAt })
        .onConflict(conflict => conflict.doNothing())
        .returning('tokenHash')
        .executeTakeFirst();
      return spent !== undefined;
    },
  };
}
