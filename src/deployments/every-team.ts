import type { TeamEvent } from '../schemas/deployment.ts';
import type { DeploymentStore, ReadTeams } from '../store/deployments.ts';

/** How far somebody has read the order of each team: what is not in it, he has not begun. */
export type Positions = Readonly<Record<string, number>>;

const form = /^[a-z0-9][a-z0-9._-]{0,62}=\d{1,10}(?:,[a-z0-9][a-z0-9._-]{0,62}=\d{1,10})*$/;

/** As `Last-Event-ID` has it: `demo=12,other=3`. */
export const writePositions = (positions: Positions): string =>
  Object.entries(positions)
    .map(([team, position]) => `${team}=${position}`)
    .join(',');

/** Null for anything else. */
export function readPositions(text: string): Positions | null {
  if (!form.test(text)) return null;
  return Object.fromEntries(
    text.split(',').map(pair => {
      const [team = '', position] = pair.split('=');
      return [team, Number(position)];
    }),
  );
}

export interface TeamsPage {
  /** Each with how far one is who has read it. */
  value: { event: TeamEvent; upTo: Positions }[];
  upTo: Positions;
  more: boolean;
}

type Store = Pick<DeploymentStore, 'teamEvents' | 'lastPositions'>;

/** What comes next in the orders of these teams, each in its own, at most so many: no team's flood hides another. */
export async function readTeams(
  store: Store,
  teams: ReadTeams,
  from: Positions,
  size: number,
): Promise<TeamsPage> {
  const behind = [...(await store.lastPositions(teams))].filter(([team, last]) => last > (from[team] ?? 0));
  const share = Math.max(1, Math.floor(size / behind.length));
  const page: TeamsPage = { value: [], upTo: from, more: behind.length > size };
  for (const [team, last] of behind.slice(0, size)) {
    const { value, more } = await store.teamEvents(teams, team, { after: from[team] ?? 0, size: share });
    for (const event of value) {
      page.upTo = { ...page.upTo, [team]: event.position };
      page.value.push({ event, upTo: page.upTo });
    }
    // What was deleted with its time is not waited for.
    if (value.length === 0) page.upTo = { ...page.upTo, [team]: last };
    page.more ||= more;
  }
  return page;
}

/** Where one begins who wants the last so many events of each team. */
export async function beforeLast(store: Store, teams: ReadTeams, tail: number): Promise<Positions> {
  const last = await store.lastPositions(teams);
  return Object.fromEntries([...last].map(([team, position]) => [team, Math.max(0, position - tail)]));
}
