import { type Kysely, sql, type Transaction } from 'kysely';
import { StoreError } from './store-error.ts';
import type { Tables } from './tables.ts';

/*
 * Teams are walls in the database too. A query names its teams; what it forgets, row-level security keeps: outside of the
 * transactions made here the service's own login sees no row of the tables behind the walls. What a new table needs
 * stands in migrations/0003-teams-as-walls.ts.
 */

/** Acts for callers: the rows of the teams that the transaction names. */
export const teamRole = 'slipway_team';
/** Acts for nobody: the worker, the sealing of the audit, a migration that changes rows. All rows. */
export const workerRole = 'slipway_worker';

type Work<T> = (trx: Transaction<Tables>) => Promise<T>;

/** One transaction for a caller: whatever its queries forget, it reads and writes rows of these teams only. */
export function asTeams<T>(db: Kysely<Tables>, teams: readonly string[], work: Work<T>): Promise<T> {
  return act(db, teamRole, { teams, reads: 'own' }, work);
}

/** One transaction for an operator: it reads the rows of all teams, and writes none. */
export function asOperator<T>(db: Kysely<Tables>, work: Work<T>): Promise<T> {
  return act(db, teamRole, { teams: [], reads: 'all' }, work);
}

/** The teams whose rows are read; `'all'`: for an operator, also those that policy no longer has. */
export type ReadTeams = readonly string[] | 'all';

/** One transaction for who reads the rows of these teams. */
export function asReader<T>(db: Kysely<Tables>, teams: ReadTeams, work: Work<T>): Promise<T> {
  return teams === 'all' ? asOperator(db, work) : asTeams(db, teams, work);
}

/** What a query says itself of the teams that it reads. Of one team the index gives a page in order; of several it is sorted. */
export function ofTeams(teams: ReadTeams) {
  if (teams === 'all') return sql<boolean>`true`;
  return teams.length === 1
    ? sql<boolean>`team = ${teams[0]}`
    : sql<boolean>`team = any(cast(${[...teams]} as text[]))`;
}

/** One transaction for the service itself: all rows. */
export function asWorker<T>(db: Kysely<Tables>, work: Work<T>): Promise<T> {
  return act(db, workerRole, { teams: [], reads: 'own' }, work);
}

interface Reach {
  teams: readonly string[];
  reads: 'own' | 'all';
}

/** Role and reach in one round trip; both end with the transaction. A read takes 0.3 ms longer for it (measured). */
function act<T>(db: Kysely<Tables>, role: string, { teams, reads }: Reach, work: Work<T>): Promise<T> {
  return db.transaction().execute(async trx => {
    await sql`select set_config('role', ${role}, true), set_config('slipway.reads', ${reads}, true),
      set_config('slipway.teams', cast(${[...teams]} as text[])::text, true)`.execute(trx);
    return work(trx);
  });
}

/**
 * Makes the two roles where they are missing. They belong to the whole server and may do nothing but what each database
 * grants them. Throws `StoreError` where they can be neither taken nor made: without the walls the service does not start.
 */
export async function raiseWalls(db: Kysely<Tables>): Promise<void> {
  if ((await refusal(db)) === null) return;
  for (const role of [teamRole, workerRole]) await makeRole(db, role);
  const reason = await refusal(db);
  if (reason === null) return;
  const { rows } = await sql<{ login: string }>`select quote_ident(session_user) as login`.execute(db);
  const login = rows[0]?.login ?? 'LOGIN';
  throw new StoreError(
    `Slipway keeps teams apart by two database roles, and its login ${login} can neither take nor make them (${reason}). Let an administrator of the server run: CREATE ROLE ${teamRole}; CREATE ROLE ${workerRole}; GRANT ${teamRole}, ${workerRole} TO ${login};`,
  );
}

/** Why the roles cannot be taken; null where they can. A role to which no policy applies is as good as none. */
async function refusal(db: Kysely<Tables>): Promise<string | null> {
  try {
    const { rows } = await sql<{ role: string }>`select rolname as role from pg_roles
      where rolname in (${teamRole}, ${workerRole}) and (rolsuper or rolbypassrls)`.execute(db);
    const [above] = rows;
    if (above) return `row-level security does not apply to ${above.role}`;
    await db
      .transaction()
      .execute(trx =>
        sql`select set_config('role', ${teamRole}, true), set_config('role', ${workerRole}, true)`.execute(
          trx,
        ),
      );
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Another Slipway may be at it, and the role may be there but not ours: whether it came to anything is asked afterwards. */
async function makeRole(db: Kysely<Tables>, role: string): Promise<void> {
  const attempt = (statement: string) =>
    sql
      .raw(statement)
      .execute(db)
      .catch(() => {});
  await attempt(`create role ${role} nologin noinherit`);
  // Taken, not inherited: what acts in no role sees nothing. Older servers cannot say it here, only of the login itself.
  const { rows } = await sql<{ version: number }>`select
    current_setting('server_version_num')::int as version`.execute(db);
  const option = (rows[0]?.version ?? 0) >= 160_000 ? ' with inherit false, set true' : '';
  await attempt(`grant ${role} to current_user${option}`);
}
