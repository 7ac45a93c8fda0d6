import { type Kysely, sql } from 'kysely';
import type { Status } from '../schemas/deployment.ts';
import type { Database } from './database.ts';
import type { Jobs } from './jobs.ts';
import type { Tables } from './tables.ts';
import { asWorker } from './walls.ts';

/** A resource group, its names in lower case. */
export interface GroupOfGroups {
  subscription: string;
  resourceGroup: string;
}

/** How many live groups in a resource group are looked at, or will be as soon as Azure has them. */
export interface Crowd extends GroupOfGroups {
  /** Of these a list of the resource group can tell the end. */
  listed: number;
  /** Of these it cannot: only their containers have not come so far. */
  silent: number;
}

/** What is on record of one that is looked at. */
export interface Followed {
  id: string;
  name: string;
  status: Status;
  revision: number;
  provisioningState: string | null;
  /** When it came to its status. */
  startedAt: string | null;
  /** When it was looked at last. */
  updatedAt: Date;
  /** It is not to be looked at before. */
  waitsUntil: string | null;
}

/** How many groups a subscription, its id in lower case, has in which nothing is under way. */
export interface Resting {
  subscription: string;
  groups: number;
}

/** What the looks at live groups go by, one view for all replicas. */
export interface FollowingStore {
  /** Every resource group in which something is under way. */
  crowds(): Promise<Crowd[]>;
  /** Every subscription with a live group. */
  resting(): Promise<Resting[]>;
  /** Whether it is the caller who lists the resource group now: then nobody else does before `dueAt`. */
  takeTurn(place: GroupOfGroups, now: Date, dueAt: Date): Promise<boolean>;
  /** Those that are looked at there: what was not for longest first. */
  followed(place: GroupOfGroups): Promise<Followed[]>;
  /** Lets the next look at each be now. */
  wake(ids: readonly string[]): Promise<void>;
}

/** Azure may have their group, and what becomes of it is waited for. */
const followedStatuses: readonly Status[] = [
  'Provisioning',
  'Running',
  'Restarting',
  'Starting',
  'Stopping',
  'Deleting',
  'Canceling',
];

/** What a list tells of these is that they are gone. */
const goingStatuses: readonly Status[] = ['Deleting', 'Canceling'];

const isFollowed = sql<boolean>`(not settled and status = any(cast(${followedStatuses} as text[])))`;
const stateOnRecord = sql<string | null>`container_group ->> 'provisioningState'`;
const isSilent = sql<boolean>`(status <> all(cast(${goingStatuses} as text[]))
  and ${stateOnRecord} in ('Succeeded', 'Failed', 'Canceled', 'Unhealthy'))`;

export function createFollowingStore({ db }: Pick<Database, 'db'>, jobs: Jobs): FollowingStore {
  return {
    crowds: () => asWorker(db, crowds),
    resting: () => asWorker(db, resting),
    takeTurn: (place, now, dueAt) => asWorker(db, trx => takeTurn(trx, place, now, dueAt)),
    followed: place => asWorker(db, trx => followedIn(trx, place)),
    wake: ids =>
      asWorker(db, async trx => {
        for (const id of ids) await jobs.wake(trx, id);
      }),
  };
}

/** Who waits for a turn in Azure's limits, or for a dependency, is not on the way yet. */
async function crowds(db: Kysely<Tables>): Promise<Crowd[]> {
  const { rows } = await sql<Crowd>`select lower(subscription) as subscription,
      lower(resource_group) as "resourceGroup",
      (count(*) filter (where ${isFollowed} and ${isSilent}))::int as silent,
      (count(*) filter (where (${isFollowed} and ${isSilent} is not true) or (not ${isFollowed} and waiting_for is null)))::int
        as listed
    from deployments where not settled group by 1, 2`.execute(db);
  return rows;
}

async function resting(db: Kysely<Tables>): Promise<Resting[]> {
  const { rows } = await sql<Resting>`select lower(subscription) as subscription, count(*)::int as groups
    from deployments where holds_name and settled and live_revision is not null group by 1`.execute(db);
  return rows;
}

async function takeTurn(
  db: Kysely<Tables>,
  { subscription, resourceGroup }: GroupOfGroups,
  now: Date,
  dueAt: Date,
): Promise<boolean> {
  const taken = await db
    .insertInto('listTurns')
    .values({ subscription, resourceGroup, dueAt })
    .onConflict(turn =>
      turn
        .columns(['subscription', 'resourceGroup'])
        .doUpdateSet({ dueAt })
        .where('listTurns.dueAt', '<=', now),
    )
    .returning('dueAt')
    .execute();
  return taken.length > 0;
}

function followedIn(db: Kysely<Tables>, { subscription, resourceGroup }: GroupOfGroups): Promise<Followed[]> {
  return db
    .selectFrom('deployments')
    .select(['id', 'name', 'status', 'revision', 'updatedAt'])
    .select([
      stateOnRecord.as('provisioningState'),
      sql<string | null>`timeline -> -1 ->> 'startedAt'`.as('startedAt'),
      sql<string | null>`waiting_for ->> 'until'`.as('waitsUntil'),
    ])
    .where(isFollowed)
    .where(sql`lower(subscription)`, '=', subscription)
    .where(sql`lower(resource_group)`, '=', resourceGroup)
    .orderBy('updatedAt')
    .execute();
}
