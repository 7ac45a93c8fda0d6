import { type Static, Type } from 'typebox';
import { ref } from './ref.ts';

const closed = { additionalProperties: false };

/** What a caller may be allowed to do. */
export const permissions = ['deploy', 'read', 'logs', 'cancel', 'delete', 'audit'] as const;
export const Permission = Type.Enum([...permissions]);
export type Permission = Static<typeof Permission>;

/** Who asked, as the token said: kept on records. */
export const Principal = Type.Object(
  {
    issuer: Type.String({ description: 'The name that the policy gives the issuer' }),
    subject: Type.String(),
    client: Type.Optional(Type.String({ description: 'The application that the token was issued to' })),
    name: Type.Optional(Type.String()),
  },
  { ...closed, $id: 'Principal' },
);
export type Principal = Static<typeof Principal>;

/** Who asks and what policy grants him: permissions by team. */
export interface Caller {
  principal: Principal;
  teams: Record<string, Permission[]>;
  /** Reads the records of all teams and the audit; uses no secret and changes nothing. */
  operator?: true;
  /** The teams in which a portal may say for whom of its users it asks. */
  actsForUsersIn?: string[];
  /** `<issuer>|<subject>` of the user that a portal asks for now. */
  onBehalfOf?: string;
  /** He is in more groups than his token holds: none of them counts. */
  groupsLeftOut?: true;
  /** Unix seconds; the token is no longer good after it. */
  expiresAt: number;
  /** What policy looked at in the token: kept with a plan, so that his rights can be looked up again. */
  claims?: Record<string, unknown>;
}

export const Me = Type.Object(
  {
    principal: ref(Principal),
    teams: Type.Array(Type.Object({ team: Type.String(), permissions: Type.Array(Permission) }, closed)),
    operator: Type.Boolean({ description: 'Reads the records of all teams and the audit' }),
    actsForUsersIn: Type.Array(Type.String(), {
      description: 'The teams in which a portal may send `On-Behalf-Of`',
    }),
    onBehalfOf: Type.Union([Type.String(), Type.Null()]),
    policyDigest: Type.String(),
  },
  { ...closed, $id: 'Me' },
);
export type Me = Static<typeof Me>;
