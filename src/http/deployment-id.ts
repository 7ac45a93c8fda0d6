import { Type } from 'typebox';

/** The parameter of every route below one deployment. */
export const DeploymentId = Type.Object(
  {
    id: Type.String({
      maxLength: 200,
      pattern: '^(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[a-z0-9][a-z0-9._-]*:[a-z0-9-]{1,63})$',
      description: "The deployment's id, or `{target}:{name}`",
    }),
  },
  { additionalProperties: false },
);
