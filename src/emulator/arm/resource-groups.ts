import type { FastifyInstance, FastifyRequest } from 'fastify';
import { detachIdentities } from '../container-groups/links.ts';
import { endOperation } from '../container-groups/operations.ts';
import type { Parts } from '../parts.ts';
import type { ResourceGroup } from '../world.ts';
import { type ArmAccess, readApiVersion } from './access.ts';
import { can } from './authorization.ts';
import { readBody } from './body-reader.ts';
import { removeRegistry } from './registries.ts';
import { groupId, normaliseLocation } from './subscriptions.ts';
import { removeVault } from './vaults.ts';

type OfSubscription = { Params: { subscription: string } };
type OfGroup = { Params: { subscription: string; group: string } };

const type = 'Microsoft.Resources/subscriptions/resourceGroups';
const path = '/subscriptions/:subscription/resourceGroups/:group';
const deletionMs = 10_000;

/** Resource groups; deleting one deletes everything in it. */
export function registerResourceGroups(arm: FastifyInstance, parts: Parts, arms: ArmAccess): void {
  const { world, changed } = parts;
  const idOf = ({ params }: FastifyRequest<OfGroup>) => groupId(params.subscription, params.group);
  arm.get<OfSubscription>('/subscriptions/:subscription/resourceGroups', async request => {
    const { principalId } = arms.caller(request);
    const groups = Object.values(world.resourceGroups).filter(
      ({ id, subscriptionId }) =>
        subscriptionId.toLowerCase() === request.params.subscription.toLowerCase() &&
        can(world, principalId, `${type}/read`, id),
    );
    return { value: groups.map(describe) };
  });
  arm.get<OfGroup>(path, async request => {
    arms.allow(request, `${type}/read`, idOf(request));
    return describe(find(request));
  });
  arm.head<OfGroup>(path, async (request, reply) => {
    arms.allow(request, `${type}/read`, idOf(request));
    if (world.resourceGroups[idOf(request).toLowerCase()]) return reply.code(204).send();
    return reply.code(404).header('x-ms-failure-cause', 'gateway').send();
  });
  arm.put<OfGroup>(path, async (request, reply) => {
    const id = idOf(request);
    arms.allow(request, `${type}/write`, id);
    const known = world.resourceGroups[id.toLowerCase()];
    const stored = readGroup(request, known, arms);
    world.resourceGroups[id.toLowerCase()] = stored;
    changed('resourceGroups', id.toLowerCase());
    return reply.code(known ? 200 : 201).send(describe(stored));
  });
  arm.patch<OfGroup>(path, async request => {
    arms.allow(request, `${type}/write`, idOf(request));
    const found = find(request);
    // Its name and its place cannot be changed, only what is written on it.
    const tags = readBody(request.body, arms).tags();
    if (tags) found.tags = tags;
    changed('resourceGroups', found.id.toLowerCase());
    return describe(found);
  });
  registerDeletion(arm, parts, arms, request => {
    arms.allow(request, `${type}/delete`, idOf(request));
    return find(request);
  });

  function find(request: FastifyRequest<OfGroup>): ResourceGroup {
    const { subscription, group } = request.params;
    arms.requireGroup(subscription, group);
    const found = world.resourceGroups[idOf(request).toLowerCase()];
    if (!found) throw new Error(`the resource group '${group}' is there and is not`);
    return found;
  }
}

function readGroup(
  request: FastifyRequest<OfGroup>,
  known: ResourceGroup | undefined,
  arms: ArmAccess,
): ResourceGroup {
  const { subscription, group } = request.params;
  const body = readBody(request.body, arms);
  const location = normaliseLocation(body.text('location') ?? '');
  if (!location)
    throw arms.error(400, 'LocationRequired', 'The location property is required for this definition.');
  if (!/^[\w().-]{1,90}$/.test(group) || group.endsWith('.'))
    throw arms.error(
      400,
      'InvalidResourceGroup',
      `The provided resource group name '${group}' has these invalid characters: it takes letters, digits, '_', '(', ')', '.' and '-', at most 90, and does not end with '.'.`,
    );
  if (known && known.location !== location)
    throw arms.error(
      409,
      'InvalidResourceGroupLocation',
      `Invalid resource group location '${location}'. The Resource group already exists in location '${known.location}' (group '${group}').`,
    );
  const tags = body.tags();
  const { tags: _, ...kept } = known ?? {
    id: groupId(subscription, group),
    name: group,
    subscriptionId: subscription,
    location,
  };
  // None is told where none was sent (recorded traffic).
  return { ...kept, ...(tags ? { tags } : {}) };
}

function registerDeletion(
  arm: FastifyInstance,
  parts: Parts,
  arms: ArmAccess,
  find: (request: FastifyRequest<OfGroup>) => ResourceGroup,
): void {
  const { world, clock, changed } = parts;
  arm.delete<OfGroup>(path, async (request, reply) => {
    const found = find(request);
    if (!found.deleting) {
      found.deleting = true;
      empty(parts, found);
      changed('resourceGroups', found.id.toLowerCase());
      finish(found);
    }
    const query = `api-version=${readApiVersion(request)}`;
    const result = `/subscriptions/${request.params.subscription}/operationresults/${jobOf(found)}?${query}`;
    return reply
      .code(202)
      .headers({ location: arms.url(request, result), 'retry-after': '15' })
      .send();
  });
  type OfJob = { Params: { subscription: string; job: string } };
  arm.get<OfJob>('/subscriptions/:subscription/operationresults/:job', async (request, reply) => {
    const name = nameOf(request.params.job);
    if (name === undefined) throw arms.error(404, 'OperationNotFound', 'The operation result is not known.');
    const id = groupId(request.params.subscription, name).toLowerCase();
    if (!world.resourceGroups[id]?.deleting) return reply.code(200).send();
    return reply
      .code(202)
      .headers({ location: arms.url(request, request.originalUrl), 'retry-after': '15' })
      .send();
  });
  // One whose deletion was not over when the world was kept.
  for (const each of Object.values(world.resourceGroups)) if (each.deleting) finish(each);

  function finish(group: ResourceGroup): void {
    const id = group.id.toLowerCase();
    clock.at(clock.now() + deletionMs, () => {
      if (world.resourceGroups[id] !== group) return;
      delete world.resourceGroups[id];
      changed('resourceGroups', id);
    });
  }
}

/** Resource Manager's jobs say in their name what they do. */
const jobOf = ({ name, location }: ResourceGroup) =>
  Buffer.from(JSON.stringify({ jobId: `RESOURCEGROUPDELETIONJOB-${name}`, jobLocation: location })).toString(
    'base64url',
  );

function nameOf(job: string): string | undefined {
  const text = Buffer.from(job, 'base64url').toString('utf8');
  return /^\{"jobId":"RESOURCEGROUPDELETIONJOB-([^"]+)"/.exec(text)?.[1];
}

function empty(parts: Parts, group: ResourceGroup): void {
  const { world, changed } = parts;
  const below = `${group.id}/`.toLowerCase();
  const inside = <T extends { id: string }>(all: Record<string, T>) =>
    Object.values(all).filter(({ id }) => id.toLowerCase().startsWith(below));
  for (const each of inside(world.containerGroups)) {
    endOperation(each, parts);
    detachIdentities(parts, each);
    delete world.containerGroups[each.id.toLowerCase()];
  }
  for (const each of inside(world.identities)) {
    delete world.identities[each.id.toLowerCase()];
    delete world.principals[each.clientId.toLowerCase()];
  }
  for (const each of inside(world.containerRegistries)) removeRegistry(parts, each);
  for (const each of inside(world.vaults)) removeVault(parts, each);
  for (const each of Object.values(world.roleAssignments))
    if (`${each.scope}/`.toLowerCase().startsWith(below)) delete world.roleAssignments[each.id.toLowerCase()];
  changed();
}

/** What is being deleted takes nothing new. Throws 409 `ResourceGroupBeingDeleted`. */
export function refuseInDeleted(
  request: FastifyRequest,
  { world }: Pick<Parts, 'world'>,
  arms: ArmAccess,
): void {
  if (!['PUT', 'PATCH', 'POST'].includes(request.method)) return;
  const { subscription, group: name } = { ...(request.params as Partial<OfGroup['Params']>) };
  if (subscription === undefined || name === undefined) return;
  const group = world.resourceGroups[groupId(subscription, name).toLowerCase()];
  if (group?.deleting)
    throw arms.error(
      409,
      'ResourceGroupBeingDeleted',
      `The resource group '${group.name}' is in deprovisioning state and cannot perform this operation.`,
    );
}

function describe({ id, name, location, tags, deleting }: ResourceGroup): object {
  return {
    id,
    name,
    type: 'Microsoft.Resources/resourceGroups',
    location,
    tags,
    properties: { provisioningState: deleting ? 'Deleting' : 'Succeeded' },
  };
}
