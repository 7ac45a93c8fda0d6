import type { Difference } from './diff.ts';
import { placeOf } from './pull-rights.ts';
import type { Right } from './rights.ts';

/** Differences for a reader, in the form of a diff: by team, with what is alike in one line. */
export function linesOfDiff(differences: readonly Difference[]): string[] {
  const teams = [...new Set(differences.map(({ team }) => team))];
  return teams.flatMap(team => {
    const own = differences.filter(difference => difference.team === team);
    const rights = (change: Difference['change']) =>
      own.filter(difference => difference.change === change).map(({ right }) => right);
    return [
      team === null ? 'everybody' : `team ${team}`,
      ...joined(rights('lost')).map(line => `- ${line}`),
      ...joined(rights('gained')).map(line => `+ ${line}`),
    ];
  });
}

function joined(rights: readonly Right[]): string[] {
  const others = rights.filter(({ server }) => server === undefined).map(({ text }) => text);
  return [...others, ...joinedPulls(rights)];
}

/** One secret for many places, and many secrets for the same places, are one line. */
function joinedPulls(rights: readonly Right[]): string[] {
  const pulls = new Map<string, { means: string; secret: string | undefined; places: string[] }>();
  for (const { means = '', server, repository = '**', secret } of rights) {
    if (server === undefined) continue;
    const key = `${secret} ${means}`;
    const pull = pulls.get(key) ?? { means, secret, places: [] };
    pull.places.push(placeOf(server, repository));
    pulls.set(key, pull);
  }
  const lines = Map.groupBy(pulls.values(), ({ means, places }) => `${places.join(', ')} ${means}`);
  return [...lines.values()].map(alike => {
    const [first] = alike;
    const secrets = alike.flatMap(({ secret }) => (secret === undefined ? [] : [`'${secret}'`]));
    const named =
      secrets.length === 0 ? '' : `with secret${secrets.length > 1 ? 's' : ''} ${secrets.join(', ')} `;
    return `pull ${first?.places.join(', ')} ${named}${first?.means}`;
  });
}
