import { sql, type Transaction } from 'kysely';
import type { Deployment } from '../schemas/deployment.ts';
import { readDeployment } from './reading.ts';
import type { Tables } from './tables.ts';

/** A caller's key, hashed together with whom and what it counts for, and the hash of what was asked with it. */
export interface Idempotency {
  keyHash: string;
  requestHash: string;
  expiresAt: Date;
}

export interface Replayable {
  team: string;
  now: Date;
  idempotency?: Idempotency;
}

export type Replayed =
  | { outcome: 'replayed'; deployment: Deployment; operation: string }
  | { outcome: 'keyReused' };

/** What was accepted with this key before; null where nothing was, or too long ago. */
export async function replay(
  trx: Transaction<Tables>,
  { idempotency, team, now }: Replayable,
): Promise<Replayed | null> {
  if (!idempotency) return null;
  const known = await trx
    .selectFrom('idempotency')
    .selectAll()
    .where('keyHash', '=', idempotency.keyHash)
    .where('team', '=', team)
    .where('expiresAt', '>', now)
    .executeTakeFirst();
  if (!known) return null;
  if (known.requestHash !== idempotency.requestHash) return { outcome: 'keyReused' };
  if (known.deploymentId === null) return { outcome: 'keyReused' };
  const deployment = await readDeployment(trx, known.deploymentId);
  return { outcome: 'replayed', deployment, operation: known.operationId };
}

export async function remember(
  trx: Transaction<Tables>,
  { id, operation, team, now, idempotency }: Replayable & { id: string; operation: string },
): Promise<void> {
  if (!idempotency) return;
  await forgetExpired(trx, now);
  await trx
    .insertInto('idempotency')
    .values({ ...idempotency, team, deploymentId: id, operationId: operation })
    .onConflict(conflict =>
      conflict.column('keyHash').doUpdateSet({
        requestHash: idempotency.requestHash,
        expiresAt: idempotency.expiresAt,
        deploymentId: id,
        operationId: operation,
      }),
    )
    .execute();
}

/** A few for each one that is added: the table stays as large as the last days. What another transaction holds is left to it. */
async function forgetExpired(trx: Transaction<Tables>, now: Date): Promise<void> {
  await sql`delete from idempotency where key_hash in
    (select key_hash from idempotency where expires_at <= ${now} limit 10 for update skip locked)`.execute(
    trx,
  );
}
