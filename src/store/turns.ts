import { type Kysely, sql, type Transaction } from 'kysely';
import type { Tables } from './tables.ts';
import { asWorker } from './walls.ts';

// Priorities have 32 bits. Where turns begin anew after a billion, what is older waits a little longer, once.
const mostTurns = 1_000_000_000;

/**
 * The priority of a team's next job. Teams take turns, however many jobs one of them sends: a job's turn comes one after
 * its team's last, and for a team that had nothing to do after the turn that is served now. A flood stands in line behind
 * itself, and nobody saves turns up. What `goesFirst` goes before all of them.
 */
export async function nextPriority(
  trx: Transaction<Tables>,
  team: string,
  { goesFirst }: { goesFirst: boolean },
): Promise<number> {
  const { rows } = await sql<{ turn: number }>`insert into turns as t (team, last)
    select ${team}, last + 1 from turns where team = ''
    on conflict (team) do update set last = greatest(t.last + 1, excluded.last)
    returning cast(last % ${mostTurns} as integer) as turn`.execute(trx);
  const { turn } = rows[0] ?? { turn: 0 };
  return (goesFirst ? mostTurns : 0) - turn;
}

/** The turn that a job has by its priority. */
export const turnOf = (priority: number): number => (priority > 0 ? mostTurns - priority : -priority);

/** Lets those who come now know whose turn it is. */
export async function served(db: Kysely<Tables>, turn: number): Promise<void> {
  await asWorker(db, trx =>
    trx.updateTable('turns').set({ last: turn }).where('team', '=', '').where('last', '<', turn).execute(),
  );
}
