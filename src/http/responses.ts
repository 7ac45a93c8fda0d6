import { type Static, type TSchema, Type } from 'typebox';
import { Problem } from '../schemas/problem.ts';
import { ref } from '../schemas/ref.ts';

const problem = (description: string) => ({
  description,
  content: { 'application/problem+json': { schema: ref(Problem) } },
});

/** A page, or the same as a stream of messages. */
export const streamed = <T extends TSchema & { $id?: string }>(page: T, description: string) =>
  Type.Unsafe<Static<T>>({
    description,
    content: {
      'application/json': { schema: ref(page) },
      'text/event-stream': { schema: Type.String() },
    },
  });

/** The answers that a route declares: its own, and for every error the problem document. */
export function answers<const T extends Record<number, TSchema>>(own: T) {
  return {
    ...own,
    '4xx': problem('The request cannot be served as it is'),
    '5xx': problem('Something is wrong here'),
  };
}
