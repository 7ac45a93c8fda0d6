import { randomBytes, randomUUID } from 'node:crypto';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { ArmAccess } from '../arm/access.ts';
import type { Parts } from '../parts.ts';
import { type ContainerGroup, lookUp, type Operation } from '../world.ts';
import { operationVersion } from './api-versions.ts';
import { pastOf } from './former-life.ts';
import { findGroup, type GroupParts, groupPath, type OfGroup, provider } from './group-requests.ts';
import { findImages } from './image-rules.ts';
import { isTerminal, isTransitioning, type View, viewAt } from './life.ts';
import { containersOf } from './own-life.ts';
import { isFromPool } from './presumed-profile.ts';

/** The status of operations, and the verbs that begin one. */
export function registerOperations(arm: FastifyInstance, all: GroupParts): void {
  const { parts, access } = all;
  type OfOperation = { Params: { subscription: string; location: string; operation: string } };
  arm.get<OfOperation>(
    '/subscriptions/:subscription/providers/Microsoft.ContainerInstance/locations/:location/operations/:operation',
    async request => {
      const { operation: id } = request.params;
      const operation = lookUp(parts.world.operations, id.toLowerCase());
      if (!operation) throw access.error(404, 'OperationNotFound', `The operation '${id}' was not found.`);
      // Who may read the group may follow what becomes of it, though the address is the subscription's.
      access.allow(request, `${provider}/read`, operation.resourceId);
      return describeOperation(operation, parts);
    },
  );
  arm.post<OfGroup>(`${groupPath}/stop`, async (request, reply) => {
    stop(findGroup(request, all, 'stop/action'), all);
    return reply.code(204).send();
  });
  arm.post<OfGroup>(`${groupPath}/start`, async (request, reply) => {
    const group = findGroup(request, all, 'start/action');
    // What runs has nothing to be started (official examples).
    if (viewAt(group, parts.clock.now()).state === 'Running') return reply.code(204).send();
    const operation = await startAgain(group, all);
    return reply
      .code(202)
      .header('azure-asyncoperation', operationUrl(request, operation, access))
      .send();
  });
  arm.post<OfGroup>(`${groupPath}/restart`, async (request, reply) => {
    const operation = await startAgain(findGroup(request, all, 'restart/action'), all);
    return reply
      .code(204)
      .header('azure-asyncoperation', operationUrl(request, operation, access))
      .send();
  });
}

/** A group that has ended is not stopped as well (documented). */
function stop(group: ContainerGroup, all: GroupParts): void {
  const { parts } = all;
  requireSteady(group, all);
  const { state } = viewAt(group, parts.clock.now());
  if (state === 'Succeeded' || state === 'Failed') return;
  endOperation(group, parts);
  group.life.stoppedAt = parts.clock.now();
  parts.changed('containerGroups', group.id.toLowerCase());
}

/** The images are looked at and pulled again, with the credentials stored then. */
async function startAgain(group: ContainerGroup, all: GroupParts): Promise<Operation> {
  const { parts, puller, access, lives } = all;
  requireSteady(group, all);
  const images = await findImages(group, puller, access.error);
  requireSteady(group, all);
  const now = parts.clock.now();
  const past = pastOf(viewAt(group, now), now);
  const operation = beginOperation(group, parts, group);
  Object.assign(group.life, { images, past });
  lives.begin(group);
  parts.changed('containerGroups', group.id.toLowerCase());
  return operation;
}

function requireSteady(group: ContainerGroup, { parts, access }: GroupParts): void {
  if (isTransitioning(viewAt(group, parts.clock.now()))) throw transitioning(access, group.name);
}

export function transitioning(access: ArmAccess, name: string): Error {
  return access.error(
    409,
    'ContainerGroupTransitioning',
    `The container group '${name}' is still transitioning, please retry later.`,
  );
}

/** A new operation for what the group does from now on; what it did `before` is over. */
export function beginOperation(
  group: ContainerGroup,
  parts: Ending,
  before: ContainerGroup | undefined,
): Operation {
  const { world, clock, changed } = parts;
  if (before) endOperation(before, parts);
  forgetOld(parts);
  const startedAt = clock.now();
  const operation: Operation = {
    id: randomUUID(),
    resourceId: group.id,
    subscriptionId: group.subscriptionId,
    location: group.location,
    status: 'Pending',
    startTime: new Date(startedAt).toISOString(),
    events: [],
  };
  world.operations[operation.id] = operation;
  changed('operations', operation.id);
  group.life = { startedAt, operation: operation.id, ip: group.life.ip };
  return operation;
}

type Ending = Pick<Parts, 'world' | 'clock' | 'changed'>;

/** Keeps what the group's operation came to, for who still asks. */
export function endOperation(group: ContainerGroup, { world, clock, changed }: Ending): void {
  const operation = lookUp(world.operations, group.life.operation);
  if (!operation || operation.endTime !== undefined) return;
  const view = viewAt(group, clock.now());
  const status = isTerminal(view.provisioningState) ? view.provisioningState : 'Canceled';
  const endTime = new Date(clock.now()).toISOString();
  Object.assign(operation, outcome(view, group), { status, endTime });
  changed('operations', operation.id);
}

const mostKept = 4_000;

/** Nobody asks for the oldest any more. */
function forgetOld({ world: { operations }, changed }: Ending): void {
  const ids = Object.keys(operations);
  if (ids.length < mostKept) return;
  for (const id of ids.slice(0, mostKept / 2))
    if (operations[id]?.endTime !== undefined) {
      delete operations[id];
      changed('operations', id);
    }
}

/** Init containers are not told of (recorded traffic). */
function outcome(
  { events, containers, error }: View,
  group: ContainerGroup,
): Pick<Operation, 'events' | 'error'> {
  const told = containersOf(group).flatMap(({ name }) => containers[name]?.events ?? []);
  return { events: [...events, ...told], ...(error ? { error } : {}) };
}

/** While it goes on, an operation is what its group is. */
function describeOperation(operation: Operation, { world, clock }: Parts): object {
  const { resourceId, startTime } = operation;
  const group = lookUp(world.containerGroups, resourceId.toLowerCase());
  const goesOn = operation.endTime === undefined && group?.life.operation === operation.id;
  const view = goesOn && group ? viewAt(group, clock.now()) : undefined;
  const status = view?.provisioningState ?? operation.status;
  const { events, error = failure(status, events) } = view && group ? outcome(view, group) : operation;
  // A group out of a pool has no events to tell (recorded traffic).
  const properties = group && isFromPool(group) ? {} : { properties: { events } };
  return { id: resourceId, status, startTime, ...properties, ...(error ? { error } : {}) };
}

/** Azure's code for what failed is often just that (recorded traffic); its words are those of the last event. */
function failure(status: string, events: readonly unknown[]): { code: string; message: string } | undefined {
  if (status !== 'Failed') return undefined;
  const last = events.at(-1);
  const said = typeof last === 'object' && last !== null && 'message' in last ? last.message : undefined;
  return { code: 'Failed', message: String(said ?? 'The container group failed.') };
}

/** As Azure signs it: clients must keep every parameter, and take long addresses (recorded traffic). */
export function operationUrl(
  request: FastifyRequest,
  { id, subscriptionId, location }: Operation,
  access: ArmAccess,
): string {
  const path = `/subscriptions/${subscriptionId}/providers/Microsoft.ContainerInstance/locations/${location}/operations/${id}`;
  const [certificate, signature, hash] = [1800, 256, 32].map(size => randomBytes(size).toString('base64url'));
  // .NET's ticks of 100 ns since the year 1.
  const ticks = BigInt(Date.now()) * 10_000n + 621_355_968_000_000_000n;
  const query = `api-version=${operationVersion}&t=${ticks}&c=${certificate}&s=${signature}&h=${hash}`;
  return access.url(request, `${path}?${query}`);
}
