import { type Static, Type } from 'typebox';
import { Failure } from './failure.ts';
import { ref } from './ref.ts';

/** RFC 9457: the body of every answer with a status of 400 or more. */
export const Problem = Type.Object(
  {
    type: Type.String({ description: 'Where the code is explained' }),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String(),
    instance: Type.String({ description: '`urn:uuid:` and the id of the request' }),
    code: Type.String(),
    errors: Type.Optional(
      Type.Array(
        Type.Object(
          {
            pointer: Type.String({ description: 'JSON pointer into the body, or a parameter or header' }),
            detail: Type.String(),
            rule: Type.Optional(Type.String({ description: 'What gave a secret away' })),
          },
          { additionalProperties: false },
        ),
      ),
    ),
    failure: Type.Optional(ref(Failure)),
    deployment: Type.Optional(Type.String({ description: 'Path of the deployment that this is about' })),
    operation: Type.Optional(Type.String({ description: 'Path of the operation that this is about' })),
    runUrl: Type.Optional(
      Type.String({ description: 'Of the run that holds the deployment: the `source.runUrl` it gave' }),
    ),
    'violated-policies': Type.Optional(
      Type.Array(Type.String(), { description: 'The names in `RateLimit-Policy` of what is used up' }),
    ),
  },
  { additionalProperties: false, $id: 'Problem' },
);
export type Problem = Static<typeof Problem>;
