import type { FastifyReply, FastifyRequest } from 'fastify';
import { nameCaller } from '../door/callers.ts';
import { createServiceApp } from '../door/service-app.ts';
import type { Service } from '../parts.ts';
import { lookUp, type UserAssignedIdentity, type World } from '../world.ts';
import { audienceOf } from './resources.ts';
import { type EntraTokens, tokenLifetimeSeconds } from './tokens.ts';

export const imdsHost = '169.254.169.254';

/**
 * Tokens of managed identities, only for who has them attached: IMDS as in a virtual machine (the asker named by
 * `x-emulator-asker`) and `IDENTITY_ENDPOINT` as in App Service (the asker known by `X-IDENTITY-HEADER`).
 */
export function createManagedIdentity(parts: { world: World; tokens: EntraTokens }): Service {
  const { world, tokens } = parts;
  const app = createServiceApp();
  app.get<Asked>('/metadata/identity/oauth2/token', async (request, reply) => {
    if (header(request, 'metadata')?.toLowerCase() !== 'true')
      return refuse(reply, 'invalid_request', 'Required metadata header not specified');
    const named = { ...request.query, mi_res_id: request.query.msi_res_id ?? request.query.mi_res_id };
    return answer(world, tokens, request, reply, header(request, 'x-emulator-asker'), named);
  });
  app.get<Asked>('/msi/token', async (request, reply) => {
    const asker = header(request, 'x-identity-header');
    if (!asker) return refuse(reply, 'invalid_request', 'The X-IDENTITY-HEADER is missing', 401);
    return answer(world, tokens, request, reply, asker, request.query);
  });
  return { name: 'managed identity', answersFor: host => host === imdsHost, app };
}

interface Query {
  resource?: string;
  client_id?: string | undefined;
  object_id?: string | undefined;
  principal_id?: string | undefined;
  mi_res_id?: string | undefined;
  msi_res_id?: string | undefined;
}

type Asked = { Querystring: Query };

async function answer(
  world: World,
  tokens: EntraTokens,
  request: FastifyRequest,
  reply: FastifyReply,
  asker: string | undefined,
  query: Query,
): Promise<object> {
  if (!query.resource) return refuse(reply, 'invalid_request', "The parameter 'resource' is missing");
  const audience = audienceOf(query.resource);
  if (!audience)
    return refuse(
      reply,
      'invalid_resource',
      `AADSTS500011: The resource principal named ${query.resource} was not found in the tenant.`,
    );
  const identity = attached(world, asker, query);
  const principal = identity && world.principals[identity.clientId.toLowerCase()];
  if (!principal) return refuse(reply, 'invalid_request', 'Identity not found');
  nameCaller(request.raw, identity.name);
  const now = Math.floor(Date.now() / 1000);
  return {
    access_token: await tokens.issue(principal, audience, 'assertion'),
    client_id: principal.clientId,
    expires_in: String(tokenLifetimeSeconds),
    expires_on: String(now + tokenLifetimeSeconds),
    ext_expires_in: String(tokenLifetimeSeconds),
    not_before: String(now),
    resource: query.resource,
    token_type: 'Bearer',
  };
}

/** The attached identity that is meant: the one named, or the only one. */
function attached(world: World, asker: string | undefined, query: Query): UserAssignedIdentity | undefined {
  if (!asker) return undefined;
  const mine = Object.values(world.identities).filter(
    each => each.attachedTo.includes(asker) && isWorkloads(world, asker, each.id),
  );
  const same = (left: string | undefined, right: string) => left?.toLowerCase() === right.toLowerCase();
  if (query.client_id) return mine.find(each => same(query.client_id, each.clientId));
  if (query.mi_res_id) return mine.find(each => same(query.mi_res_id, each.id));
  const objectId = query.object_id ?? query.principal_id;
  if (objectId) return mine.find(each => same(objectId, each.principalId));
  return mine.length === 1 ? mine[0] : undefined;
}

interface IdentityAcls {
  defaultAccess?: string;
  acls?: { identity?: string; access?: string }[];
}

/** A group can keep an identity for the platform, which pulls with it, from the code that runs in the group. */
function isWorkloads({ containerGroups }: World, asker: string, id: string): boolean {
  const identityAcls = lookUp(containerGroups, asker)?.properties.identityAcls;
  if (typeof identityAcls !== 'object' || identityAcls === null) return true;
  const { defaultAccess = 'All', acls = [] }: IdentityAcls = identityAcls;
  const own = acls.find(({ identity }) => identity?.toLowerCase() === id.toLowerCase());
  return (own?.access ?? defaultAccess).toLowerCase() !== 'system';
}

function refuse(reply: FastifyReply, error: string, description: string, status = 400): FastifyReply {
  return reply.code(status).send({ error, error_description: description });
}

function header(request: FastifyRequest, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value[0] : value;
}
