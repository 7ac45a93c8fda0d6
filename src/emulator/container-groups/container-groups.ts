import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { ArmAccess } from '../arm/access.ts';
import type { EntraTokens } from '../entra/tokens.ts';
import type { ContainerGroups, Parts } from '../parts.ts';
import { lookUp } from '../world.ts';
import { describeGroup } from './answer.ts';
import { requirePublished } from './api-versions.ts';
import {
  findGroup,
  type GroupParts,
  groupPath,
  idOf,
  type OfGroup,
  ofGroup,
  provider,
  show,
} from './group-requests.ts';
import { viewAt } from './life.ts';
import { detachIdentities } from './links.ts';
import { createLives } from './lives.ts';
import { registerLocations } from './locations.ts';
import { logOf } from './logs.ts';
import { groupPatch } from './members.ts';
import { registerNetworkLinks } from './network-links.ts';
import { registerOperationResults } from './operation-results.ts';
import { endOperation, registerOperations } from './operations.ts';
import { createPuller } from './puller.ts';
import { registerPut } from './putting.ts';
import { readBody } from './read-body.ts';
import { requireRoom } from './remaining.ts';
import { registerSessions } from './sessions.ts';

/** `Microsoft.ContainerInstance/containerGroups`. */
export function registerContainerGroups(
  arm: FastifyInstance,
  parts: Parts & { tokens: EntraTokens },
  access: ArmAccess,
): ContainerGroups {
  const puller = createPuller({
    ...parts,
    identityToken: (principal, audience) => parts.tokens.issue(principal, audience, 'assertion'),
  });
  const lives = createLives(parts, puller);
  const all: GroupParts = { parts, access, puller, lives };
  arm.register(async routes => {
    routes.addHook('preHandler', async request =>
      requirePublished(request, resourceType(request.routeOptions.url), access),
    );
    registerPut(routes, all);
    registerOne(routes, all);
    registerLists(routes, all);
    registerOperations(routes, all);
    registerOperationResults(routes, all);
    registerSessions(routes, all);
    registerNetworkLinks(routes, all);
    registerLocations(routes, parts, access);
  });
  return { stop: lives.stop, resume: lives.resume, lives: lives.prescribe };
}

/** `containerGroups`, `locations/usages`, `operations`: what a route is about, from its path. */
function resourceType(path = ''): string {
  const [, below = ''] = path.split('/Microsoft.ContainerInstance/');
  const [first = '', , third] = below.split('/');
  return first === 'locations' ? `locations/${third}` : first;
}

function registerOne(arm: FastifyInstance, all: GroupParts): void {
  const { parts, access } = all;
  arm.get<OfGroup>(groupPath, async request => show(request, findGroup(request, all, 'read'), all));
  arm.patch<OfGroup>(groupPath, async request => {
    const group = findGroup(request, all, 'write');
    // Nothing but tags is changed by it (documented, and so it does).
    const { tags }: { tags?: Record<string, string> } = readBody(request, groupPatch, access);
    if (tags) group.tags = tags;
    parts.changed('containerGroups', group.id.toLowerCase());
    return show(request, group, all);
  });
  arm.delete<OfGroup>(groupPath, async (request, reply) => deleteGroup(request, reply, all));
  type Log = OfGroup & {
    Params: { container: string };
    Querystring: { tail?: string; timestamps?: string };
  };
  arm.get<Log>(`${groupPath}/containers/:container/logs`, async request => {
    const group = findGroup(request, all, 'containers/logs/read');
    const { params, query } = request;
    return { content: logOf(group, params.container, parts.clock.now(), query, access) };
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
  requireRoom('deletes', found, parts.limits, reply);
  // Synchronous, with the last full state (recorded traffic).
  const last = show(request, found, all);
  parts.limits.countGroup('deletes', found.subscriptionId, found.location);
  endOperation(found, parts);
  detachIdentities(parts, found);
  delete parts.world.containerGroups[id.toLowerCase()];
  parts.changed('containerGroups', id.toLowerCase());
  return reply.code(200).send(last);
}

function registerLists(arm: FastifyInstance, { parts, access }: GroupParts): void {
  type Listed = { Params: { subscription: string; group?: string } };
  for (const path of [`/subscriptions/:subscription/providers/${provider}`, `${ofGroup}/${provider}`])
    arm.get<Listed>(path, async request => {
      const { subscription, group } = request.params;
      const scope = `/subscriptions/${subscription}${group === undefined ? '' : `/resourceGroups/${group}`}`;
      access.allow(request, `${provider}/read`, scope);
      if (group !== undefined) access.requireGroup(subscription, group);
      const now = parts.clock.now();
      const version = access.apiVersion(request);
      const below = `${scope.toLowerCase()}/`;
      const groups = Object.entries(parts.world.containerGroups).filter(([id]) => id.startsWith(below));
      return {
        value: groups.map(([, each]) =>
          describeGroup(each, viewAt(each, now), parts.world, { version, kind: 'listed' }),
        ),
      };
    });
}
