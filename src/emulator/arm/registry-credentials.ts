import { randomBytes } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import type { ContainerRegistry, Registry, World } from '../world.ts';
import type { ArmAccess } from './access.ts';
import { resourceId, resourceNotFound } from './resource-reads.ts';

type OfRegistry = { Params: { subscription: string; group: string; name: string } };

const type = 'Microsoft.ContainerRegistry/registries';

/** A registry's admin user: `listCredentials` and `regenerateCredential`, as `az acr credential` asks for them. */
export function registerRegistryCredentials(
  arm: FastifyInstance,
  { world, changed }: { world: World; changed(): void },
  arms: ArmAccess,
): void {
  const path = `/subscriptions/:subscription/resourceGroups/:group/providers/${type}/:name`;
  arm.post<OfRegistry>(`${path}/listCredentials`, async request => {
    const { found, id } = find(request.params);
    arms.allow(request, `${type}/listCredentials/action`, id);
    return describe(adminOf(found));
  });
  arm.post<OfRegistry & { Body: { name?: string } | null }>(`${path}/regenerateCredential`, async request => {
    const { found, id } = find(request.params);
    arms.allow(request, `${type}/regenerateCredential/action`, id);
    if (request.body?.name !== 'password' && request.body?.name !== 'password2')
      throw arms.error(400, 'InvalidParameter', "The parameter 'name' must be 'password' or 'password2'.");
    const admin = adminOf(found);
    if (request.body.name === 'password') admin.user.password = newPassword();
    else admin.user.password2 = newPassword();
    changed();
    return describe(admin);
  });

  function find({ subscription, group, name }: OfRegistry['Params']): {
    found: ContainerRegistry;
    id: string;
  } {
    arms.requireGroup(subscription, group);
    const id = resourceId({ subscription, group, name }, type);
    const found = world.containerRegistries[id.toLowerCase()];
    if (found) return { found, id };
    throw resourceNotFound(arms, type, name, group);
  }

  function adminOf(registry: ContainerRegistry): { username: string; user: Registry['users'][string] } {
    if (!registry.adminUserEnabled)
      throw arms.error(
        400,
        'UnAuthorizedForCredentialOperations',
        `Cannot perform credential operations for ${registry.id} as admin user is disabled. Kindly enable admin user as per docs: https://docs.microsoft.com/en-us/azure/container-registry/container-registry-authentication#admin-account`,
      );
    const users = world.registries[registry.loginServer]?.users ?? {};
    const known = Object.entries(users).find(([, { kind }]) => kind === 'admin');
    if (known) return { username: known[0], user: known[1] };
    const user = { password: newPassword(), kind: 'admin' } as const;
    users[registry.name] = user;
    changed();
    return { username: registry.name, user: users[registry.name] ?? user };
  }
}

function describe({ username, user }: { username: string; user: Registry['users'][string] }): object {
  return {
    username,
    passwords: [
      { name: 'password', value: user.password },
      ...(user.password2 ? [{ name: 'password2', value: user.password2 }] : []),
    ],
  };
}

function newPassword(): string {
  return randomBytes(24).toString('base64url');
}
