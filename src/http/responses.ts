import type { TSchema } from 'typebox';
import { Problem } from '../schemas/problem.ts';
import { ref } from '../schemas/ref.ts';

const problem = (description: string) => ({
  description,
  content: { 'application/problem+json': { schema: ref(Problem) } },
});

/** The answers that a route declares: its own, and for every error the problem document. */
export function answers<const T extends Record<number, TSchema>>(own: T) {
  return {
    ...own,
    '4xx': problem('The request cannot be served as it is'),
    '5xx': problem('Something is wrong here'),
  };
}
