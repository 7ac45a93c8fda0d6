import { setTimeout as sleep } from 'node:timers/promises';
import type { DeploymentRequest } from '../src/schemas/request.ts';
import { eventually } from '../test/support/demo-world.ts';
import { type Answer, requestFor } from '../test/support/service.ts';
import { storedValue, storeVersion } from '../test/support/stored-secrets.ts';
import type { Fleet } from './fleet.ts';

export interface Point {
  name: string;
  id: string;
  operation: string;
}

export interface Group {
  name: string;
  revision: number;
}

/** A moment in a workflow: how it is begun, what holds it open, and what must have become of it after a kill. */
export interface KillPoint {
  moment: string;
  /** Of the deployment. */
  name: string;
  /** What runs before it; null where the moment is in a creation. */
  before: Partial<DeploymentRequest> | null;
  /** The call that is slow; null where the moment is a record's. */
  hold: ((name: string) => object) | null;
  act(fleet: Fleet, at: Omit<Point, 'operation'>): Promise<Answer>;
  /** What Azure has to have besides. */
  seen?(groups: Group[], at: Point): boolean;
  /** `made`: how often at most the group came to be; a revision of null: there is none. */
  end: { status: string; operation?: string; revision: number | null; made: number };
}

// Below the longest that the service waits for Resource Manager.
export const slowestMs = 17_000;
export const later = { prefer: 'respond-async', 'if-match': '*' };

export const arm =
  (method: string, path = '', effect: object = { delayMs: slowestMs }) =>
  (name: string) => ({
    host: 'management.azure.com',
    method,
    path: `/containerGroups/${name}${path}\\?`,
    times: 1,
    ...effect,
  });
export const drip = { dripBytesPerSecond: 20 };
// Vaults and registries are waited for less long, and asked again.
export const onAndOn = { times: 1_000, delayMs: slowestMs };

const create =
  (more: Partial<DeploymentRequest> = {}) =>
  (fleet: Fleet, { name }: { name: string }) =>
    fleet.ask('POST', '/deployments', { body: requestFor(name, more), headers: later });
const made = { status: 'Running', revision: 1, made: 1 };

const fromHub: Partial<DeploymentRequest> = {
  containers: [{ name: 'app', image: 'docker.io/myusername/my-private-app:1.0.0' }],
  imageRegistryCredentials: [{ server: 'docker.io', secretName: 'dockerhub-pull' }],
};
const fromGitHub: Partial<DeploymentRequest> = {
  containers: [{ name: 'app', image: 'ghcr.io/myorg/log-forwarder:2.0.1' }],
  imageRegistryCredentials: [{ server: 'ghcr.io', secretName: 'ghcr-pull' }],
};
const webApp: Partial<DeploymentRequest> = {
  containers: [{ name: 'app', image: 'myregistry.azurecr.io/web-app:1.4.2' }],
};

export const createPoints: KillPoint[] = [
  {
    moment: 'create: the vault is asked',
    name: 'vault',
    before: null,
    hold: () => ({ host: 'demo-vault.vault.azure.net', path: '/secrets/dockerhub-pull', ...onAndOn }),
    act: create(fromHub),
    end: made,
  },
  {
    moment: 'create: the registry is asked',
    name: 'registry',
    before: null,
    hold: () => ({ host: 'myregistry.azurecr.io', path: '/v2/web-app/', ...onAndOn }),
    act: create(webApp),
    end: made,
  },
  {
    moment: 'create: before ARM has the group',
    name: 'put',
    before: null,
    hold: arm('PUT'),
    act: create(),
    end: made,
  },
  {
    moment: 'create: ARM has the group, its answer is under way',
    name: 'answer',
    before: null,
    hold: arm('PUT', '', drip),
    act: create(),
    seen: (groups, { name }) => groups.some(group => group.name === name),
    end: made,
  },
  {
    moment: 'create: Azure provisions',
    name: 'provisioning',
    before: null,
    hold: null,
    async act(fleet, at) {
      const accepted = await create()(fleet, at);
      await eventually('Provisioning', async () => {
        const { json } = await fleet.ask('GET', `/deployments/${accepted.json.id}`);
        return json.status === 'Provisioning' || (await sleep(50, false));
      });
      return accepted;
    },
    end: made,
  },
  {
    moment: 'create: right after it was accepted',
    name: 'accepted',
    before: null,
    hold: null,
    act: create(),
    end: made,
  },
];

const bigger = {
  containers: [
    {
      name: 'app',
      image: 'myregistry.azurecr.io/my-app:v1.0',
      resources: { requests: { cpu: 2, memoryInGB: 3 } },
    },
  ],
};
export const replace: KillPoint['act'] = (fleet, { id }) =>
  fleet.ask('PATCH', `/deployments/${id}?allowReplace=true`, { body: bigger, headers: later });
const changeImage =
  (image: string): KillPoint['act'] =>
  (fleet, { id }) =>
    fleet.ask('POST', `/deployments/${id}/images`, { body: { app: image }, headers: later });
export const verb =
  (name: string): KillPoint['act'] =>
  (fleet, { id }) =>
    fleet.ask('POST', `/deployments/${id}/${name}`, { headers: later });
export const replaced = { status: 'Running', revision: 2, made: 2 };

export const changePoints: KillPoint[] = [
  {
    moment: 'replace: the old group is being deleted',
    name: 'old',
    before: {},
    hold: arm('DELETE'),
    act: replace,
    end: replaced,
  },
  {
    moment: 'replace: the old group is gone, before the new one',
    name: 'gap',
    before: {},
    hold: arm('PUT'),
    act: replace,
    end: replaced,
  },
  {
    moment: 'replace: ARM has the new group, its answer is under way',
    name: 'new',
    before: {},
    hold: arm('PUT', '', drip),
    act: replace,
    seen: (groups, { name }) => groups.some(group => group.name === name && group.revision === 2),
    end: replaced,
  },
  {
    moment: 'change: before ARM has it',
    name: 'change',
    before: {},
    hold: arm('PUT'),
    act: changeImage('myregistry.azurecr.io/web-app:1.4.2'),
    end: { status: 'Running', revision: 2, made: 1 },
  },
  {
    moment: 'rollback: ARM has the former revision, its answer is under way',
    name: 'rollback',
    before: {},
    hold: name => ({ ...arm('PUT', '', drip)(name), after: 1 }),
    async act(fleet, at) {
      const headers = { prefer: 'wait=45', 'if-match': '*' };
      const body = { app: 'myregistry.azurecr.io/web-app:1.4.2' };
      const changed = await fleet.ask('POST', `/deployments/${at.id}/images`, { body, headers });
      if (changed.json?.liveRevision !== 2) return changed;
      return await verb('rollback')(fleet, at);
    },
    seen: (groups, { name }) => groups.some(group => group.name === name && group.revision === 3),
    end: { status: 'Running', revision: 3, made: 1 },
  },
  {
    moment: 'restart: ARM has it, its answer is under way',
    name: 'restart',
    before: {},
    hold: arm('POST', '/restart', { delayMs: slowestMs }),
    act: verb('restart'),
    end: { status: 'Running', revision: 1, made: 1 },
  },
];

const gone = { status: 'Deleted', revision: null, made: 1 };

export const endPoints: KillPoint[] = [
  {
    moment: 'cancel: the group is being deleted',
    name: 'cancel',
    before: null,
    hold: arm('DELETE'),
    async act(fleet, at) {
      const { json } = await create()(fleet, at);
      await eventually('Azure to have it', async () => {
        const found = await fleet.ask('GET', `/deployments/${json.id}`);
        return found.json.status === 'Provisioning' || (await sleep(50, false));
      });
      const canceled = await verb('cancel')(fleet, { ...at, id: json.id });
      return { ...canceled, json: { ...canceled.json, id: json.id, operation: json.operation } };
    },
    end: { status: 'Canceled', operation: 'Canceled', revision: null, made: 1 },
  },
  {
    moment: 'delete: before ARM has it',
    name: 'delete',
    before: {},
    hold: arm('DELETE'),
    act: (fleet, { id }) => fleet.ask('DELETE', `/deployments/${id}`, { headers: later }),
    end: gone,
  },
  {
    moment: 'delete: ARM has it, its answer is under way',
    name: 'deleted',
    before: {},
    hold: arm('DELETE', '', drip),
    act: (fleet, { id }) => fleet.ask('DELETE', `/deployments/${id}`, { headers: later }),
    seen: (groups, { name }) => groups.every(group => group.name !== name),
    end: gone,
  },
  {
    moment: 'rotate: the group gets the new version',
    name: 'rotate',
    before: fromGitHub,
    hold: arm('PUT'),
    async act(fleet) {
      const value = storedValue(fleet.world, 'ghcr-pull');
      await storeVersion(fleet.world, 'ghcr-pull', { value, registry: 'ghcr.io', username: 'myghuser' });
      return await fleet.ask('POST', '/credentials/ghcr-pull/rotate', { headers: later });
    },
    end: { status: 'Running', revision: 2, made: 1 },
  },
  {
    moment: 'expire: the group is being deleted',
    name: 'expire',
    before: {},
    hold: arm('DELETE'),
    async act(fleet, { id }) {
      const expiresAt = new Date(Date.now() + 5_000).toISOString();
      return await fleet.ask('PATCH', `/deployments/${id}`, { body: { expiresAt }, headers: later });
    },
    end: gone,
  },
];
