import { randomBytes } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { normaliseLocation } from '../arm/subscriptions.ts';
import { type ContainerGroup, lookUp } from '../world.ts';
import { type GroupParts, groupPath, idOf, type OfGroup, provider, show } from './group-requests.ts';
import { findImages } from './image-rules.ts';
import { isTransitioning, viewAt } from './life.ts';
import { attachIdentities, checkLinks } from './links.ts';
import { requireRegion } from './locations.ts';
import { containerGroup } from './members.ts';
import { beginOperation, operationUrl, transitioning } from './operations.ts';
import { applyProfile, isFromPool, pooledLife } from './presumed-profile.ts';
import { readBody } from './read-body.ts';
import { requireRoom } from './remaining.ts';
import { checkDraft, checkRoom } from './rules.ts';

export function registerPut(arm: FastifyInstance, all: GroupParts): void {
  // Groups whose images are being looked at: they are not there yet, and already transitioning.
  const looking = new Set<string>();
  arm.put<OfGroup>(groupPath, async (request, reply) => {
    const id = idOf(request.params).toLowerCase();
    all.access.allow(request, `${provider}/write`, idOf(request.params));
    all.access.requireGroup(request.params.subscription, request.params.group);
    if (looking.has(id)) throw transitioning(all.access, request.params.name);
    looking.add(id);
    try {
      return await putGroup(request, reply, all);
    } finally {
      looking.delete(id);
    }
  });
}

async function putGroup(
  request: FastifyRequest<OfGroup>,
  reply: FastifyReply,
  all: GroupParts,
): Promise<FastifyReply> {
  const { parts, access, puller, lives } = all;
  const { world } = parts;
  const id = idOf(request.params).toLowerCase();
  const before = lookUp(world.containerGroups, id);
  if (before && isTransitioning(viewAt(before, parts.clock.now()))) throw transitioning(access, before.name);
  const draft = readDraft(request, all, before);
  // What it refers to is looked at before the container service is asked (recorded traffic).
  checkLinks(request, draft, parts, access);
  requireRoom('creates', draft, parts.limits, reply);
  applyProfile(draft, parts, access);
  checkDraft(draft, before, access.apiVersion(request), access.error);
  const told = lives.next(draft.name);
  const images = told?.pull === false ? {} : await findImages(draft, puller, access.error);
  checkRoom(draft, parts, access.error);
  // Others may have taken the last place while the images were looked at.
  requireRoom('creates', draft, parts.limits, reply);
  parts.limits.countGroup('creates', draft.subscriptionId, draft.location);

  const present = lookUp(world.containerGroups, id);
  const operation = beginOperation(draft, parts, present);
  const steps = told?.steps ?? (isFromPool(draft) ? pooledLife(draft, images) : undefined);
  Object.assign(draft.life, { images }, steps ? { prescribed: steps } : {});
  lives.taken(told);
  world.containerGroups[id] = draft;
  attachIdentities(parts, draft);
  lives.begin(draft);
  parts.changed('containerGroups', id);
  return reply
    .code(present ? 200 : 201)
    .header('azure-asyncoperation', operationUrl(request, operation, access))
    .send(show(request, draft, all, present ? 'one' : 'created'));
}

function readDraft(
  request: FastifyRequest<OfGroup>,
  { parts, access }: GroupParts,
  present: ContainerGroup | undefined,
): ContainerGroup {
  const { subscription, group, name } = request.params;
  const body: Partial<ContainerGroup> = readBody(request, containerGroup, access);
  const {
    location = present?.writtenLocation ?? present?.location ?? '',
    tags,
    identity,
    zones,
    properties = {},
  } = body;
  if (!location)
    throw access.error(400, 'LocationRequired', 'The location property is required for this definition.');
  const region = normaliseLocation(location);
  requireRegion(region, 'containerGroups', access);
  return {
    id: present?.id ?? idOf(request.params),
    name: present?.name ?? name,
    resourceGroup: group,
    subscriptionId: subscription,
    location: region,
    ...(location === region ? {} : { writtenLocation: location }),
    properties,
    ...(tags ? { tags } : {}),
    ...(zones ? { zones } : {}),
    ...(identity && identity.type !== 'None' ? { identity } : {}),
    life: {
      startedAt: parts.clock.now(),
      operation: '',
      ip: present?.life.ip ?? `20.${[...randomBytes(3)].join('.')}`,
    },
  };
}
