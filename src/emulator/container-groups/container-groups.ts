import { randomBytes, randomUUID } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { ArmAccess } from '../arm/access.ts';
import type { EntraTokens } from '../entra/tokens.ts';
import type { ContainerGroups, Parts } from '../parts.ts';
import { type ContainerGroup, lookUp } from '../world.ts';
import { describeGroup } from './answer.ts';
import { isTransitioning, viewAt } from './life.ts';
import { createLives, type Lives } from './lives.ts';
import { containerGroup, readMembers, UnknownMember } from './members.ts';
import { registerOperations } from './operations.ts';
import { createPuller, type Puller } from './puller.ts';
import { checkDraft, checkLinks, refuseImages } from './rules.ts';
import type { StoredProperties } from './stored.ts';

interface OfGroup {
  Params: { subscription: string; group: string; name: string };
}

export interface GroupParts {
  parts: Parts;
  access: ArmAccess;
  puller: Puller;
  lives: Lives;
}

const provider = 'Microsoft.ContainerInstance/containerGroups';
const registryAudience = 'https://containerregistry.azure.net';

/** `Microsoft.ContainerInstance/containerGroups`. */
export function registerContainerGroups(
  arm: FastifyInstance,
  parts: Parts & { tokens: EntraTokens },
  access: ArmAccess,
): ContainerGroups {
  const puller = createPuller({
    ...parts,
    identityToken: principal => parts.tokens.issue(principal, registryAudience, 'secret'),
  });
  const lives = createLives(parts, puller);
  const all: GroupParts = { parts, access, puller, lives };
  const path = `/subscriptions/:subscription/resourceGroups/:group/providers/${provider}/:name`;

  arm.put<OfGroup>(path, (request, reply) => putGroup(request, reply, all));
  arm.get<OfGroup>(path, async request => show(request, findGroup(request, all, 'read'), all));
  arm.patch<OfGroup>(path, async request => {
    const group = findGroup(request, all, 'write');
    const { tags } = (request.body ?? {}) as { tags?: Record<string, string> };
    if (tags) group.tags = tags;
    parts.changed();
    return show(request, group, all);
  });
  arm.delete<OfGroup>(path, async (request, reply) => deleteGroup(request, reply, all));
  registerLists(arm, all);
  registerOperations(arm, all, request => findGroup(request, all, 'write'));
  arm.get<{ Params: OfGroup['Params'] & { container: string } }>(
    `${path}/containers/:container/logs`,
    async request => {
      const group = findGroup(request, all, 'read', 'containers/logs/read');
      return { content: logOf(group, request.params.container, all) };
    },
  );
  return { stop: lives.stop, resume: lives.resume, lives: lives.prescribe };
}

const idOf = ({ subscription, group, name }: OfGroup['Params']) =>
  `/subscriptions/${subscription}/resourceGroups/${group}/providers/${provider}/${name}`;

function findGroup(
  request: FastifyRequest<OfGroup>,
  { parts, access }: GroupParts,
  right: 'read' | 'write' | 'delete',
  action = '',
): ContainerGroup {
  const { subscription, group, name } = request.params;
  const id = idOf(request.params);
  access.allow(request, action ? `${provider}/${action}` : `${provider}/${right}`, id);
  access.requireGroup(subscription, group);
  const found = lookUp(parts.world.containerGroups, id.toLowerCase());
  if (found) return found;
  throw access.error(
    404,
    'ResourceNotFound',
    `The Resource '${provider}/${name}' under resource group '${group}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix`,
  );
}

function show(request: FastifyRequest, group: ContainerGroup, { parts, access }: GroupParts): object {
  return describeGroup(group, viewAt(group, parts.clock.now()), parts.world, access.apiVersion(request), {
    instanceView: true,
  });
}

async function putGroup(
  request: FastifyRequest<OfGroup>,
  reply: FastifyReply,
  all: GroupParts,
): Promise<FastifyReply> {
  const { parts, access, puller, lives } = all;
  const { subscription, group: resourceGroup } = request.params;
  const id = idOf(request.params);
  access.allow(request, `${provider}/write`, id);
  access.requireGroup(subscription, resourceGroup);
  const present = lookUp(parts.world.containerGroups, id.toLowerCase());
  if (present && isTransitioning(viewAt(present, parts.clock.now())))
    throw transitioning(access, present.name);
  const draft = draftOf(request, all, present);
  checkDraft(draft, present, parts, access.error);
  checkLinks(request, draft, parts, access);
  const prescribed = lives.take(draft.name);
  if (!prescribed) refuseImages(await lookAtImages(draft, puller), draft, access.error);

  const operation = begin(draft, all);
  if (prescribed) draft.life.prescribed = prescribed;
  parts.world.containerGroups[id.toLowerCase()] = draft;
  lives.begin(draft);
  parts.changed();
  countDown(reply);
  return reply
    .code(present ? 200 : 201)
    .header('azure-asyncoperation', operationUrl(request, draft, operation, access))
    .send(show(request, draft, all));
}

function lookAtImages(draft: ContainerGroup, puller: Puller) {
  const { containers = [], initContainers = [] } = draft.properties as StoredProperties;
  const images = [
    ...new Set([...containers, ...initContainers].map(({ properties }) => properties.image ?? '')),
  ];
  return Promise.all(images.map(async image => ({ image, look: await puller.look(image, draft) })));
}

function draftOf(
  request: FastifyRequest<OfGroup>,
  { parts, access }: GroupParts,
  present: ContainerGroup | undefined,
): ContainerGroup {
  const { subscription, group, name } = request.params;
  const body = readBody(request, access);
  const {
    location = present?.location,
    tags = {},
    identity,
    zones,
    properties = {},
  } = body as Partial<ContainerGroup>;
  if (!location)
    throw access.error(400, 'LocationRequired', 'The location property is required for this definition.');
  return {
    id: present?.id ?? idOf(request.params),
    name: present?.name ?? name,
    resourceGroup: group,
    subscriptionId: subscription,
    location: location.toLowerCase().replaceAll(' ', ''),
    tags,
    properties,
    ...(zones ? { zones } : {}),
    ...(identity && identity.type !== 'None' ? { identity } : {}),
    life: {
      startedAt: parts.clock.now(),
      operation: '',
      ip: present?.life.ip ?? `20.${[...randomBytes(3)].join('.')}`,
    },
  };
}

function readBody(request: FastifyRequest, access: ArmAccess): Record<string, unknown> {
  try {
    return readMembers(request.body ?? {}, containerGroup, access.apiVersion(request));
  } catch (error) {
    if (!(error instanceof UnknownMember)) throw error;
    throw access.error(
      400,
      'InvalidRequestContent',
      `The request content was invalid and could not be deserialized: '${error.message}'.`,
    );
  }
}

/** A new operation for what the group does from now on. */
export function begin(group: ContainerGroup, { parts }: GroupParts): string {
  const operation = randomUUID();
  const startedAt = parts.clock.now();
  group.life = { startedAt, operation, ip: group.life.ip };
  parts.world.operations[operation] = {
    id: operation,
    resourceId: group.id,
    subscriptionId: group.subscriptionId,
    location: group.location,
    status: 'Pending',
    startTime: new Date(startedAt).toISOString(),
    events: [],
  };
  return operation;
}

/** As Azure signs it: clients must keep every parameter, and take long addresses (recorded traffic). */
export function operationUrl(
  request: FastifyRequest,
  { subscriptionId, location }: ContainerGroup,
  operation: string,
  access: ArmAccess,
): string {
  const signature = `t=${Date.now()}0000&c=${randomBytes(600).toString('base64url')}&s=${randomBytes(256).toString('base64url')}&h=${randomBytes(32).toString('base64url')}`;
  return access.url(
    request,
    `/subscriptions/${subscriptionId}/providers/Microsoft.ContainerInstance/locations/${location}/operations/${operation}?api-version=2018-06-01&${signature}`,
  );
}

export function transitioning(access: ArmAccess, name: string): Error {
  return access.error(
    409,
    'ContainerGroupTransitioning',
    `The container group '${name}' is still transitioning, please retry later.`,
  );
}

/** Remaining-headers as recorded; the buckets behind them are not emptied yet. */
function countDown(reply: FastifyReply): void {
  reply.headers({
    'x-ms-ratelimit-remaining-subscription-resource-requests-pt1h': '299',
    'x-ms-ratelimit-remaining-subscription-resource-requests-pt5m': '99',
    'x-ms-ratelimit-remaining-subscription-writes': '199',
  });
}

async function deleteGroup(
  request: FastifyRequest<OfGroup>,
  reply: FastifyReply,
  all: GroupParts,
): Promise<FastifyReply> {
  const { parts, access } = all;
  const id = idOf(request.params);
  access.allow(request, `${provider}/delete`, id);
  const found = lookUp(parts.world.containerGroups, id.toLowerCase());
  if (!found) return reply.code(204).send();
  // Synchronous, with the last full state (recorded traffic).
  const last = show(request, found, all);
  delete parts.world.containerGroups[id.toLowerCase()];
  parts.changed();
  countDown(reply);
  return reply.code(200).send(last);
}

function registerLists(arm: FastifyInstance, { parts, access }: GroupParts): void {
  const list = (request: FastifyRequest, scope: string) => {
    access.allow(request, `${provider}/read`, scope);
    const below = `${scope.toLowerCase()}/`;
    const groups = Object.entries(parts.world.containerGroups).filter(([id]) => id.startsWith(below));
    const now = parts.clock.now();
    return {
      value: groups.map(([, group]) =>
        describeGroup(group, viewAt(group, now), parts.world, access.apiVersion(request), {
          instanceView: false,
        }),
      ),
    };
  };
  arm.get<{ Params: { subscription: string } }>(
    `/subscriptions/:subscription/providers/${provider}`,
    async request => list(request, `/subscriptions/${request.params.subscription}`),
  );
  arm.get<{ Params: { subscription: string; group: string } }>(
    `/subscriptions/:subscription/resourceGroups/:group/providers/${provider}`,
    async request => {
      const { subscription, group } = request.params;
      access.requireGroup(subscription, group);
      return list(request, `/subscriptions/${subscription}/resourceGroups/${group}`);
    },
  );
}

function logOf(group: ContainerGroup, container: string, { parts, access }: GroupParts): string {
  const { containers = [] } = group.properties as StoredProperties;
  if (!containers.some(({ name }) => name === container))
    throw access.error(
      404,
      'ContainerNotFound',
      `The container '${container}' was not found in container group '${group.name}'.`,
    );
  const view = viewAt(group, parts.clock.now()).containers[container];
  const state = view?.currentState?.state;
  if (state !== 'Running' && state !== 'Terminated' && !view?.previousState) return '';
  const ended = view?.previousState ?? (state === 'Terminated' ? view?.currentState : undefined);
  const lines = [
    `${container} started`,
    'listening',
    ...(ended ? [Number(ended.exitCode) === 0 ? 'done' : 'error: the job failed'] : []),
  ];
  return `${lines.join('\n')}\n`;
}
