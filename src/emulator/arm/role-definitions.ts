import { lookUp, type RoleDefinition, type World } from '../world.ts';

export const roles = {
  owner: '8e3af657-a8ff-443c-a75c-2fe8c4bcb635',
  contributor: 'b24988ac-6180-42a0-ab88-20f7382dd24c',
  reader: 'acdd72a7-3385-48ef-bd42-f606fba81ae7',
  acrPull: '7f951dda-4ed3-4680-a7ca-43fe172d538d',
  acrPush: '8311e382-0749-4cb8-b61a-304f252e45ec',
  repositoryReader: 'b93aa761-3e63-49ed-ac28-beffa264f7ac',
  secretsUser: '4633458b-17de-408a-b874-0445c86b69e6',
  secretsOfficer: 'b86a8fe4-44ce-4948-aee5-eccb2c155cd7',
  vaultAdministrator: '00482a5a-887f-4fb3-b363-3b7fe8e74483',
  identityOperator: 'f1a07417-d97a-45cb-824c-7a7467783830',
  identityContributor: 'e40ec5ca-96e0-45a2-b4ff-59039f2c2b59',
  userAccessAdministrator: '18d7d88d-d35e-4fb5-a5c3-7773c20a72d9',
  slipwayDeployer: '00000000-0000-0000-0000-0000000000e1',
} as const;

const everybodyMay = [
  'Microsoft.Resources/subscriptions/resourceGroups/read',
  'Microsoft.Authorization/*/read',
];

const roleDefinitions: readonly RoleDefinition[] = [
  builtIn(roles.owner, 'Owner', { actions: ['*'] }),
  builtIn(roles.contributor, 'Contributor', {
    actions: ['*'],
    notActions: [
      'Microsoft.Authorization/*/Delete',
      'Microsoft.Authorization/*/Write',
      'Microsoft.Authorization/elevateAccess/Action',
    ],
  }),
  builtIn(roles.reader, 'Reader', { actions: ['*/read'] }),
  builtIn(roles.userAccessAdministrator, 'User Access Administrator', {
    actions: ['*/read', 'Microsoft.Authorization/*'],
  }),
  builtIn(roles.acrPull, 'AcrPull', { actions: ['Microsoft.ContainerRegistry/registries/pull/read'] }),
  builtIn(roles.acrPush, 'AcrPush', {
    actions: [
      'Microsoft.ContainerRegistry/registries/pull/read',
      'Microsoft.ContainerRegistry/registries/push/write',
    ],
  }),
  builtIn(roles.repositoryReader, 'Container Registry Repository Reader', {
    dataActions: [
      'Microsoft.ContainerRegistry/registries/repositories/metadata/read',
      'Microsoft.ContainerRegistry/registries/repositories/content/read',
    ],
  }),
  builtIn(roles.secretsUser, 'Key Vault Secrets User', {
    dataActions: [
      'Microsoft.KeyVault/vaults/secrets/getSecret/action',
      'Microsoft.KeyVault/vaults/secrets/readMetadata/action',
    ],
  }),
  builtIn(roles.secretsOfficer, 'Key Vault Secrets Officer', {
    actions: [...everybodyMay, 'Microsoft.KeyVault/vaults/read'],
    dataActions: ['Microsoft.KeyVault/vaults/secrets/*'],
  }),
  builtIn(roles.vaultAdministrator, 'Key Vault Administrator', {
    actions: [...everybodyMay, 'Microsoft.KeyVault/vaults/read'],
    dataActions: ['Microsoft.KeyVault/vaults/*'],
  }),
  builtIn(roles.identityOperator, 'Managed Identity Operator', {
    actions: [
      ...everybodyMay,
      'Microsoft.ManagedIdentity/userAssignedIdentities/*/read',
      'Microsoft.ManagedIdentity/userAssignedIdentities/read',
      'Microsoft.ManagedIdentity/userAssignedIdentities/*/assign/action',
      'Microsoft.ManagedIdentity/userAssignedIdentities/assign/action',
    ],
  }),
  builtIn(roles.identityContributor, 'Managed Identity Contributor', {
    actions: [
      ...everybodyMay,
      'Microsoft.ManagedIdentity/userAssignedIdentities/read',
      'Microsoft.ManagedIdentity/userAssignedIdentities/write',
      'Microsoft.ManagedIdentity/userAssignedIdentities/delete',
    ],
  }),
  {
    ...builtIn(roles.slipwayDeployer, 'Slipway Deployer', {
      actions: [
        'Microsoft.ContainerInstance/containerGroups/*',
        'Microsoft.ContainerInstance/locations/*',
        'Microsoft.Resources/subscriptions/resourceGroups/read',
      ],
    }),
    type: 'CustomRole',
    description: 'Creates, follows and deletes container groups, and nothing else.',
  },
];

const builtInRoles = new Map(roleDefinitions.map(role => [role.name, role]));

function builtIn(
  name: string,
  roleName: string,
  allows: { actions?: string[]; notActions?: string[]; dataActions?: string[] },
): RoleDefinition {
  const { actions = [], notActions = [], dataActions = [] } = allows;
  return { name, roleName, description: roleName, type: 'BuiltInRole', actions, notActions, dataActions };
}

/** The definition that an id names, whatever scope the id is written with. */
export function findRole(world: World, roleDefinitionId: string): RoleDefinition | undefined {
  const name = roleDefinitionId.split('/').at(-1)?.toLowerCase() ?? '';
  return builtInRoles.get(name) ?? lookUp(world.roleDefinitions, name);
}

/** Built-in ones first. */
export function allRoles(world: World): RoleDefinition[] {
  return [...roleDefinitions, ...Object.values(world.roleDefinitions)];
}

export function roleId(subscriptionId: string, name: string): string {
  return `/subscriptions/${subscriptionId}/providers/Microsoft.Authorization/roleDefinitions/${name}`;
}

export function subscriptionOf(scope: string): string {
  return /^\/subscriptions\/([^/]+)/i.exec(scope)?.[1] ?? '00000000-0000-0000-0000-000000000000';
}
