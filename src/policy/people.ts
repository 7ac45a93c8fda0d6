import { type Static, Type } from 'typebox';
import { Permission } from '../schemas/principal.ts';

const closed = { additionalProperties: false };
const Guid = Type.String({ pattern: '^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$' });
const Digits = Type.String({ pattern: '^[0-9]+$' });
export const Name = Type.String({ pattern: '^[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?$' });

export const Issuer = Type.Object(
  {
    name: Name,
    issuer: Type.String({ pattern: '^https://[^\\s?#]+$' }),
    audience: Type.String({ minLength: 1 }),
    singleUse: Type.Optional(
      Type.Boolean({ description: 'A token is good for one changing request, told by its `jti` or `uti`' }),
    ),
  },
  closed,
);

/** Whom an entry means: a token must agree with everything that it names. */
const who = {
  issuer: Name,
  subject: Type.Optional(Type.String({ minLength: 1 })),
  group: Type.Optional(Guid),
  client: Type.Optional(Guid),
  repositoryId: Type.Optional(Digits),
  ownerId: Type.Optional(Digits),
  environment: Type.Optional(Type.String({ minLength: 1 })),
  ref: Type.Optional(Type.String({ pattern: '^refs/\\S+$', description: 'The branch or tag of the run' })),
  workflow: Type.Optional(
    Type.String({
      pattern: '^[\\w.-]+/[\\w.-]+/\\.github/workflows/[\\w.-]+\\.ya?ml@(?:refs/\\S+|[0-9a-f]{40})$',
      description:
        "The run's `job_workflow_ref`, exactly; pinned where it ends with the SHA of a commit, as the caller of a reusable workflow writes it",
    }),
  ),
  events: Type.Optional(
    Type.Array(Type.String({ pattern: '^[a-z_]+$' }), {
      minItems: 1,
      description:
        'What may have set the run off; without it what only people with write access can, so no `pull_request`',
    }),
  ),
};

const permissions = Type.Array(Permission, { minItems: 1 });

export const TeamPrincipal = Type.Object({ ...who, permissions }, closed);
export type TeamPrincipal = Static<typeof TeamPrincipal>;

/** Reads the records of all teams and the audit; uses no secret and changes nothing. */
export const Operator = Type.Object(who, closed);
export type Operator = Static<typeof Operator>;

export const Portal = Type.Object(
  {
    ...who,
    teams: Type.Array(Name, { minItems: 1 }),
    permissions: Type.Optional(permissions),
    actsForUsers: Type.Optional(
      Type.Boolean({ description: 'May say with `On-Behalf-Of` for whom it asks; the rights are its own' }),
    ),
  },
  closed,
);
export type Portal = Static<typeof Portal>;
