import type { ContainerGroups, GroupPlace } from '../../../src/azure/container-groups.ts';
import { AzureError, type AzureService } from '../../../src/azure/failure.ts';
import type { GroupDocument, GroupDocuments } from '../../../src/azure/group-documents.ts';
import type { GroupLists } from '../../../src/azure/group-lists.ts';
import type { Roles } from '../../../src/azure/roles.ts';
import { revisionTag } from '../../../src/deployments/container-group.ts';
import type { Actor, Calls } from '../calls.ts';
import type { Flaws } from '../flaws.ts';
import type { Random } from '../random.ts';
import { type Group, type Groups, refusal } from './groups.ts';

export interface ArmPorts {
  containerGroups: ContainerGroups;
  documents: GroupDocuments;
  groupLists: GroupLists;
  roles: Roles;
}

interface Parts {
  calls: Calls;
  groups: Groups;
  random: Random;
  flaws: Flaws;
}

const readMs = 20_000;
const writeMs = 50_000;

/** Resource Manager as one replica sees it. */
export function createArmPorts(actor: Actor, parts: Parts): ArmPorts {
  const { groups, random, flaws } = parts;
  const ask = <T>(what: string, longestMs: number, act: () => T, signal?: AbortSignal): Promise<T> =>
    parts.calls.make({
      ...{ actor, what: `ARM ${what}`, act, longestMs, signal },
      refusal: () => drawRefusal(random),
      silence: () => noAnswer('arm'),
    });
  const read = <T>(what: string, act: () => T, signal?: AbortSignal) => ask(what, readMs, act, signal);
  const write = <T>(what: string, act: () => T, signal?: AbortSignal) => ask(what, writeMs, act, signal);
  const blind = () => flaws.has('blindGet') && random.chance(0.1);
  const containerGroups: ContainerGroups = {
    get: (place, signal) => read(`GET ${place.name}`, () => (blind() ? null : groups.get(place)), signal),
    put: (place, build, signal) => {
      const body = build();
      if (flaws.has('lostRevisionTag')) delete body.tags?.[revisionTag];
      const put = () => ({
        ...{ created: groups.put(place, body), operationUrl: urlOf(place), isolated: false },
        ...{ requestId: null, provisioningState: null },
      });
      return write(`PUT ${place.name}`, put, signal);
    },
    isIsolated: (place, signal) => read(`GET ${place.name}`, () => false, signal),
    operation: (url, signal) => read('GET operation', () => operationOf(url), signal),
    remove: async (place, signal) => {
      try {
        return await write(`DELETE ${place.name}`, () => groups.remove(place), signal);
      } catch (error) {
        if (flaws.has('politeDelete')) return 'deleted';
        throw error;
      }
    },
    restart: (place, signal) => write(`restart ${place.name}`, () => groups.restart(place), signal),
    start: (place, signal) => write(`start ${place.name}`, () => groups.start(place), signal),
    stop: (place, signal) => write(`stop ${place.name}`, () => groups.stop(place), signal),
    logs: (place, container, { signal }) => read(`logs of ${place.name}`, () => `${container} said`, signal),
  };
  return {
    containerGroups,
    documents: {
      read: (place, signal) => read(`GET ${place.name}`, () => documentOf(groups.at(place)), signal),
      tag: (place, tags, signal) => write(`PATCH ${place.name}`, () => groups.tag(place, tags), signal),
    },
    groupLists: {
      list: (place, signal) => read('GET groups', () => listed(groups, random, place.resourceGroup), signal),
    },
    roles: { pullRole: async () => ({ state: 'unknown' }) },
  };
}

/** A list may lag behind. */
const listed = (groups: Groups, random: Random, resourceGroup: string) =>
  groups
    .all()
    .filter(group => group.place.resourceGroup === resourceGroup && !random.chance(0.1))
    .map(({ place, tags }) => {
      const { provisioningState } = groups.get(place) ?? {};
      return { name: place.name, tags: { ...tags }, ...(provisioningState ? { provisioningState } : {}) };
    });

const urlOf = ({ subscription, name }: GroupPlace) =>
  `https://management.azure.com/subscriptions/${subscription}/operations/${name}`;

const operationOf = (url: string) => ({
  ...{ status: 'Failed', events: [] },
  error: { code: 'Failed', message: `The operation ${url.split('/').at(-1)} failed` },
});

/** As ARM writes it: what a container is stands among its properties. */
function documentOf(group: Group | undefined): GroupDocument | null {
  if (!group) return null;
  const { location, tags: _, identity, containers, ...properties } = group.body;
  const nested = containers.map(({ name, ...more }) => ({ name, properties: more }));
  const shown = (properties.imageRegistryCredentials ?? []).map(
    ({ password: _, ...credential }) => credential,
  );
  const content = {
    ...{ id: group.place.name, location, ...(identity ? { identity } : {}) },
    properties: { ...properties, containers: nested, imageRegistryCredentials: shown },
  };
  return { tags: { ...group.tags }, content: structuredClone(content) };
}

/** Azure refuses, and nothing came of it. */
function drawRefusal(random: Random): AzureError {
  return random.weighed([
    [3, refusal(429, 'TooManyRequests', 'The request is being throttled', 1_000 * (1 + random.below(30)))],
    [3, refusal(503, 'ServiceUnavailable', 'The service is unavailable', random.chance(0.5) ? 5_000 : null)],
    [2, refusal(500, 'InternalServerError', 'Encountered internal server error')],
    [2, refusal(409, 'ContainerGroupTransitioning', 'The container group is still transitioning')],
  ]);
}

export const noAnswer = (kind: AzureService) =>
  new AzureError({
    ...{ kind, operation: 'simulated', status: null, code: null, message: 'no answer' },
    ...{ retryAfterMs: null, requestId: null },
  });
