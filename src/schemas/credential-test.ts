import { type Static, Type } from 'typebox';
import { Verification, WaitingFor } from './deployment.ts';
import { Failure } from './failure.ts';
import { IdentityId, PolicyName, RegistryServer, SecretName } from './names.ts';
import { ref } from './ref.ts';

const closed = { additionalProperties: false };

/** What `POST /credentials/test` takes: can this credential pull this image now? */
export const CredentialTestRequest = Type.Object(
  {
    team: Type.Optional(PolicyName),
    server: RegistryServer,
    secretName: Type.Optional(SecretName),
    vault: Type.Optional(PolicyName),
    identity: Type.Optional(IdentityId),
    image: Type.String({ minLength: 1, maxLength: 1024, description: 'Of `server`' }),
    osType: Type.Optional(Type.Enum(['Linux', 'Windows'])),
  },
  { ...closed, $id: 'CredentialTestRequest', description: 'Exactly one of `secretName` and `identity`' },
);
export type CredentialTestRequest = Static<typeof CredentialTestRequest>;

export const CredentialTest = Type.Object(
  {
    usable: Type.Boolean(),
    failure: Type.Optional(ref(Failure)),
    digest: Type.Optional(Type.String({ description: 'What the image stands for now' })),
    verifiedWith: Type.Optional(Verification),
    notes: Type.Optional(
      Type.Array(Type.String(), { description: "What of the registry's settings may matter to Azure" }),
    ),
    waitingFor: Type.Optional(WaitingFor),
  },
  { ...closed, $id: 'CredentialTest' },
);
export type CredentialTest = Static<typeof CredentialTest>;
