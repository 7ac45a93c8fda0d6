import { type Static, Type } from 'typebox';
import { PolicyName, SecretName } from './names.ts';

const closed = { additionalProperties: false };
const { Optional } = Type;

const SecretReference = Type.Object({ secretName: SecretName, vault: Optional(PolicyName) }, closed);

/** A file name that leads nowhere else. */
const FileName = Type.String({ pattern: '^(?!\\.{1,2}$)[A-Za-z0-9._-]{1,253}$' });

const AzureFile = Type.Object(
  {
    shareName: Type.String({ minLength: 3, maxLength: 63, pattern: '^[a-z0-9](?:-?[a-z0-9])*$' }),
    storageAccountName: Type.String({ pattern: '^[a-z0-9]{3,24}$' }),
    storageAccountKeySecretName: SecretName,
    vault: Optional(PolicyName),
    readOnly: Optional(Type.Boolean()),
  },
  { ...closed, description: 'The account must be one of the target; its key is a workload secret' },
);

export const Volume = Type.Object(
  {
    name: Type.String({ minLength: 5, maxLength: 63, pattern: '^[a-z0-9](?:-?[a-z0-9])*$' }),
    emptyDir: Optional(Type.Object({}, closed)),
    secret: Optional(
      Type.Record(FileName, SecretReference, {
        ...closed,
        minProperties: 1,
        maxProperties: 50,
        description: 'Files and the workload secrets that are their content',
      }),
    ),
    azureFile: Optional(AzureFile),
  },
  { ...closed, description: 'Exactly one of `emptyDir`, `secret` and `azureFile`' },
);
export type Volume = Static<typeof Volume>;
