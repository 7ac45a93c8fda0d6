import type { FailureCode, Owner } from '../../failures.ts';
import type { RegistryProblem } from '../../registry/client.ts';
import type { Observation, Signs } from '../observation.ts';

export interface Rule {
  code: FailureCode;
  when: Condition;
  /** Where this sign says otherwise than the code's own entry in the table of failures. */
  but?: { owner?: Owner; retryable?: boolean; confidence?: 'high' | 'low' };
}

export type Condition = (signs: Signs) => boolean;

/** A sign that does not prove its cause. */
export const uncertain = { confidence: 'low' } as const;

const anyCase = ({ source }: RegExp) => new RegExp(source, 'i');

/** In what was said, in any case, images and addresses left out. */
export const says = (pattern: RegExp): Condition => {
  const words = anyCase(pattern);
  return ({ text }) => words.test(text);
};

/** In what was said, in any case, names and all. */
export const quotes = (pattern: RegExp): Condition => {
  const words = anyCase(pattern);
  return ({ said }) => words.test(said);
};

/** By the code of the answer, or by one of the codes that its text wraps: `'X':'...'`, `Code="X"`, `(X) ...`. */
export const coded = (...codes: string[]): Condition => {
  const word = new RegExp(`(?<![A-Za-z])(?:${codes.join('|')})(?![A-Za-z])`, 'i');
  return ({ code, said }) => word.test(code) || word.test(said);
};

export const all =
  (...conditions: Condition[]): Condition =>
  signs =>
    conditions.every(condition => condition(signs));

export const any =
  (...conditions: Condition[]): Condition =>
  signs =>
    conditions.some(condition => condition(signs));

export const not =
  (condition: Condition): Condition =>
  signs =>
    !condition(signs);

export const from =
  (...kinds: Observation['kind'][]): Condition =>
  ({ observation }) =>
    kinds.includes(observation.kind);

export const status =
  (...statuses: number[]): Condition =>
  signs =>
    signs.status !== undefined && statuses.includes(signs.status);

/** What our own question to the registry found. */
export const problem =
  (test: (problem: RegistryProblem) => boolean): Condition =>
  ({ observation }) =>
    observation.kind === 'registry' && test(observation.problem);

export const exits =
  (test: (code: number) => boolean): Condition =>
  ({ observation }) =>
    (observation.kind === 'container' || observation.kind === 'event') &&
    typeof observation.exitCode === 'number' &&
    test(observation.exitCode);

export const withIdentity: Condition = ({ credential }) => credential === 'identity';
export const withoutCredential: Condition = ({ credential }) => credential === 'none';
export const withCredential = not(withoutCredential);
