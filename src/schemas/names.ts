import { Type } from 'typebox';

/** Azure's rule for container groups and containers: 1 to 63 lower-case letters, digits and single hyphens. */
export const ResourceName = Type.String({
  minLength: 1,
  maxLength: 63,
  pattern: '^[a-z0-9](?:-?[a-z0-9])*$',
  description: 'Lower-case letters, digits and single hyphens',
});

/** What the policy file calls a team, a target or a vault. */
export const PolicyName = Type.String({
  minLength: 1,
  maxLength: 63,
  pattern: '^[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?$',
  description: 'Lower-case letters, digits, dots, underscores and hyphens; a letter or digit at both ends',
});

/** Key Vault's rule. Dot segments never match, which the SDK would let through into the path (measured). */
export const SecretName = Type.String({
  minLength: 1,
  maxLength: 127,
  pattern: '^[0-9A-Za-z-]+$',
  description: 'The name of a Key Vault secret: letters, digits and hyphens',
});

/** A host name as a registry credential names it: no scheme, no path, no user, ASCII only. */
export const RegistryServer = Type.String({
  minLength: 1,
  maxLength: 255,
  pattern:
    '^(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)(?:\\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*\\.?(?::[0-9]{1,5})?$',
  description: 'A registry host without scheme or path, such as `myregistry.azurecr.io`',
});

const armId = {
  minLength: 1,
  maxLength: 512,
  // Azure's ids are the same in any case, and JSON Schema knows none without: their parts are judged where they are read.
  pattern: '^/[A-Za-z]{13}/[A-Za-z0-9_.()/-]+$',
};

export const IdentityId = Type.String({
  ...armId,
  description: 'The ARM id of a user-assigned managed identity',
});

export const SubnetId = Type.String({ ...armId, description: 'The ARM id of a subnet' });

export const WorkspaceResourceId = Type.String({
  ...armId,
  description: 'The ARM id of a Log Analytics workspace',
});
