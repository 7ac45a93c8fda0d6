import { createError } from '../errors.ts';
import type { Policy, Team } from '../policy/policy.ts';
import type { Caller } from '../schemas/principal.ts';

/** The teams whose means the caller may see: not an operator's, who only reads records. */
export function teamsOf(caller: Caller): string[] {
  const teams = Object.keys(caller.teams).filter(team => caller.teams[team]?.includes('read'));
  if (teams.length > 0) return teams;
  throw createError(
    'PermissionDenied',
    "An operator reads records; what teams may use is for the teams' own.",
  );
}

/** The team that he asks for, or his only one. A team that does not exist and one that is not his answer alike. */
export function teamFor(
  policy: Policy,
  caller: Caller,
  asked: string | undefined,
): { name: string; team: Team } {
  const teams = teamsOf(caller);
  const [only, ...others] = teams;
  if (asked === undefined && others.length > 0) {
    const detail = `is missing; you may read in ${teams.join(', ')}`;
    throw createError('InvalidRequest', `team: ${detail}`, {
      errors: [{ pointer: 'querystring:/team', detail }],
    });
  }
  const name = asked ?? only ?? '';
  const team = teams.includes(name) ? policy.teams[name] : undefined;
  if (!team) throw createError('PermissionDenied', `You may not read in team '${name}'.`);
  return { name, team };
}
