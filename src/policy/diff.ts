import { samplesOf } from './asking.ts';
import { matchesAny, matchesSecret } from './glob.ts';
import type { LoadedPolicy } from './load.ts';
import type { Policy } from './policy.ts';
import { commonRights, type Right, rightsOfTeam } from './rights.ts';

export interface Difference {
  /** Null: people outside of teams, and what all teams share. */
  team: string | null;
  change: 'lost' | 'gained';
  right: Right;
}

/** What each team loses and gains from one policy to another: by what they allow, however they say it. */
export function diffPolicies(before: LoadedPolicy, after: LoadedPolicy): Difference[] {
  const pair = [before, after] as const;
  const teams = [...new Set(pair.flatMap(({ policy }) => Object.keys(policy.teams)))].sort();
  return [
    ...differences(null, commonRights(before), commonRights(after)),
    ...teams.flatMap(team => [
      ...differences(team, rightsOfTeam(before, team, pair), rightsOfTeam(after, team, pair)),
      ...limitDifferences(team, limitsOf(before.policy, team), limitsOf(after.policy, team)),
    ]),
  ];
}

function differences(team: string | null, before: readonly Right[], after: readonly Right[]): Difference[] {
  const lost = withoutParts(missingIn(after, before));
  const gained = withoutParts(missingIn(before, after));
  return [
    ...lost.map(right => ({ team, change: 'lost' as const, right })),
    ...gained.map(right => ({ team, change: 'gained' as const, right })),
  ];
}

/** Those of `rights` that `others` has not, each once. */
function missingIn(others: readonly Right[], rights: readonly Right[]): Right[] {
  const known = new Set(others.map(({ text }) => text));
  const byText = new Map(rights.map(right => [right.text, right]));
  return [...byText.values()].filter(({ text }) => !known.has(text));
}

/** Who loses all of a registry need not be told of each of its parts. */
function withoutParts(rights: readonly Right[]): Right[] {
  return rights.filter(
    (right, index) =>
      !rights.some(
        (whole, other) => other !== index && isPart(right, whole) && (other < index || !isPart(whole, right)),
      ),
  );
}

function isPart(right: Right, whole: Right): boolean {
  if (right.means === undefined || right.means !== whole.means || right.server !== whole.server) return false;
  return (
    isCovered(right.secret, whole.secret, matchesSecret) &&
    isCovered(right.repository, whole.repository, matchesAny)
  );
}

type Matches = (globs: readonly string[], text: string) => boolean;

function isCovered(part: string | undefined, whole: string | undefined, matches: Matches): boolean {
  if (part === undefined || whole === undefined) return part === whole;
  return samplesOf(part).every(sample => matches([whole], sample));
}

/** What is not said has no limit; a team that is not there has nothing. */
function limitsOf({ teams }: Policy, name: string): Record<string, number> {
  const team = Object.hasOwn(teams, name) ? teams[name] : undefined;
  const most = team ? Number.POSITIVE_INFINITY : 0;
  const { groups = most, cpu = most, memoryInGB = most, deploysPerHour = most } = team?.quota ?? {};
  const { requestsPerMinute = most, changesPerMinute = most } = team?.rate ?? {};
  return { groups, cpu, memoryInGB, deploysPerHour, requestsPerMinute, changesPerMinute };
}

function limitDifferences(
  team: string,
  before: Record<string, number>,
  after: Record<string, number>,
): Difference[] {
  return Object.entries(before).flatMap(([what, old]) => {
    const most = after[what] ?? 0;
    if (most === old) return [];
    const text = `up to ${amount(most)} ${what} (before: ${amount(old)})`;
    return [{ team, change: most > old ? ('gained' as const) : ('lost' as const), right: { text } }];
  });
}

const amount = (most: number) => (most === Number.POSITIVE_INFINITY ? 'any number of' : String(most));
