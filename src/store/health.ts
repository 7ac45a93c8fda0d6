import { type Kysely, sql, type Transaction } from 'kysely';
import type { ContainerGroupView } from '../schemas/deployment.ts';
import type { Database } from './database.ts';
import type { DeploymentRow } from './deployments.ts';
import { insertEvents, type NewEvent } from './events.ts';
import { json, storable } from './json.ts';
import type { Tables } from './tables.ts';
import { asWorker } from './walls.ts';
import { changed } from './watch.ts';

/** A resource group whose turn it is. */
export interface Look {
  subscription: string;
  resourceGroup: string;
  everyMs: number;
}

/** What a look at one live group found. */
export interface Finding {
  health: DeploymentRow['health'];
  at: Date;
  containerGroup?: ContainerGroupView;
  seenEvents?: string[];
  events: NewEvent[];
}

/** What is settled and has a group at Azure is looked at again and again: by whichever replica comes first. */
export interface HealthStore {
  /** The resource group that is due longest, left to the caller until `leaseUntil`; null where none is due. */
  claim(now: Date, leaseUntil: Date): Promise<Look | null>;
  /** When it is looked at next; null: no more, until it has a deployment again. */
  plan(look: Look, next: { dueAt: Date; everyMs: number } | null): Promise<void>;
  /** Those that are looked at there: what was not seen for longest first. */
  observed(look: Look): Promise<DeploymentRow[]>;
  /** That these were seen, and are as they were. */
  saw(rows: readonly DeploymentRow[], at: Date): Promise<void>;
  /** Saves what was found, unless the deployment was changed or looked at since. Whether it was saved. */
  save(row: DeploymentRow, finding: Finding): Promise<boolean>;
}

const firstEveryMs = 15_000;

export function createHealthStore({ db }: Pick<Database, 'db'>): HealthStore {
  return {
    claim: (now, leaseUntil) => asWorker(db, trx => claim(trx, now, leaseUntil)),
    plan: (look, next) => asWorker(db, trx => plan(trx, look, next)),
    observed: look => asWorker(db, trx => observed(trx, look)),
    saw: (rows, at) => asWorker(db, trx => saw(trx, rows, at)),
    save: (row, finding) => asWorker(db, trx => save(trx, row, finding)),
  };
}

async function claim(trx: Transaction<Tables>, now: Date, leaseUntil: Date): Promise<Look | null> {
  await sql`insert into looks (subscription, resource_group, due_at, every_ms)
    select distinct lower(subscription), lower(resource_group), cast(${now} as timestamptz), ${firstEveryMs}::int
      from deployments where ${isObserved}
    on conflict do nothing`.execute(trx);
  const due = await trx
    .selectFrom('looks')
    .selectAll()
    .where('dueAt', '<=', now)
    .orderBy('dueAt')
    .limit(1)
    .forUpdate()
    .skipLocked()
    .executeTakeFirst();
  if (due) await plan(trx, due, { dueAt: leaseUntil, everyMs: due.everyMs });
  return due ?? null;
}

const isObserved = sql<boolean>`(holds_name and settled and live_revision is not null)`;

async function plan(
  trx: Transaction<Tables>,
  look: Look,
  next: { dueAt: Date; everyMs: number } | null,
): Promise<void> {
  const { subscription, resourceGroup } = look;
  const here = sql<boolean>`subscription = ${subscription} and resource_group = ${resourceGroup}`;
  if (next) await trx.updateTable('looks').set(next).where(here).execute();
  else await trx.deleteFrom('looks').where(here).execute();
}

function observed(db: Kysely<Tables>, { subscription, resourceGroup }: Look): Promise<DeploymentRow[]> {
  return db
    .selectFrom('deployments')
    .selectAll()
    .where(isObserved)
    .where(sql`lower(subscription)`, '=', subscription)
    .where(sql`lower(resource_group)`, '=', resourceGroup)
    .orderBy('observedAt', order => order.asc().nullsFirst())
    .execute();
}

async function saw(trx: Transaction<Tables>, rows: readonly DeploymentRow[], at: Date): Promise<void> {
  if (rows.length === 0) return;
  const ids = rows.map(({ id }) => id);
  await trx
    .updateTable('deployments')
    .set({ observedAt: at })
    .where('id', 'in', ids)
    .where(isObserved)
    .execute();
}

async function save(
  trx: Transaction<Tables>,
  row: DeploymentRow,
  { health, at, containerGroup, seenEvents, events }: Finding,
): Promise<boolean> {
  const { id, status, operation, revision, observedAt } = row;
  const saved = await trx
    .updateTable('deployments')
    .set({
      health,
      observedAt: at,
      ...(containerGroup ? { containerGroup: json(storable(containerGroup)) } : {}),
      ...(seenEvents ? { seenEvents: json(storable(seenEvents)) } : {}),
      ...(health === row.health ? {} : { updatedAt: at }),
      eventSeq: sql`event_seq + ${events.length}`,
    })
    .where('id', '=', id)
    .where('status', '=', status)
    .where('operation', '=', operation)
    .where('revision', '=', revision)
    .where(sql<boolean>`observed_at is not distinct from ${observedAt}`)
    .returning('eventSeq')
    .executeTakeFirst();
  if (!saved) return false;
  await insertEvents(trx, row, events, saved.eventSeq);
  if (events.length > 0) await changed(trx, id);
  return true;
}
