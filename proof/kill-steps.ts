import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../test/support/demo-world.ts';
import { requestFor } from '../test/support/service.ts';
import { storedValue, storeVersion } from '../test/support/stored-secrets.ts';
import type { Fleet } from './fleet.ts';
import { arm, drip, type KillPoint, later, onAndOn, replace, replaced, verb } from './kill-points.ts';

const fromCompany = {
  containers: [{ name: 'app', image: 'registry.mycompany.com/team/my-app:v2.0' }],
  imageRegistryCredentials: [{ server: 'registry.mycompany.com', secretName: 'company-registry' }],
};
const fromHub = {
  containers: [{ name: 'app', image: 'docker.io/myusername/my-private-app:1.0.0' }],
  imageRegistryCredentials: [{ server: 'docker.io', secretName: 'dockerhub-pull' }],
};
const byServicePrincipal = {
  imageRegistryCredentials: [{ server: 'myregistry.azurecr.io', secretName: 'acr-sp' }],
};

const rotate =
  (secretName: string, registry: string, username: string) =>
  async ({ world, ask }: Fleet) => {
    const value = storedValue(world, secretName);
    await storeVersion(world, secretName, { value, registry, username });
    return ask('POST', `/credentials/${secretName}/rotate`, { headers: later });
  };

/** A creation that is canceled once it is in `status`; the operation that counts is the creation's. */
const cancelIn =
  (status: string): KillPoint['act'] =>
  async (fleet, { name }) => {
    const { json } = await fleet.ask('POST', '/deployments', { body: requestFor(name), headers: later });
    await eventually(status, async () => {
      const found = await fleet.ask('GET', `/deployments/${json.id}`);
      return found.json.status === status || (await sleep(50, false));
    });
    const canceled = await verb('cancel')(fleet, { name, id: json.id });
    return { ...canceled, json: { ...canceled.json, id: json.id, operation: json.operation } };
  };

const isGone: KillPoint['seen'] = (groups, { name }) => groups.every(group => group.name !== name);
const canceled = { status: 'Canceled', operation: 'Canceled', revision: null, made: 1 };
const rotated = { status: 'Running', revision: 2, made: 1 };

/** The other steps of what takes several. */
export const stepPoints: KillPoint[] = [
  {
    moment: 'replace: the vault is asked, and the old group runs',
    name: 'replace-vault',
    before: byServicePrincipal,
    hold: () => ({ host: 'demo-vault.vault.azure.net', path: '/secrets/acr-sp', ...onAndOn }),
    act: replace,
    seen: (groups, { name }) => groups.some(group => group.name === name && group.revision === 1),
    end: replaced,
  },
  {
    moment: 'rollback: before ARM has it',
    name: 'rollback-put',
    before: {},
    hold: name => ({ ...arm('PUT')(name), after: 1 }),
    async act(fleet, at) {
      const headers = { prefer: 'wait=45', 'if-match': '*' };
      const body = { app: 'myregistry.azurecr.io/web-app:1.4.2' };
      const changed = await fleet.ask('POST', `/deployments/${at.id}/images`, { body, headers });
      if (changed.json?.liveRevision !== 2) return changed;
      return await verb('rollback')(fleet, at);
    },
    end: { status: 'Running', revision: 3, made: 1 },
  },
  {
    moment: 'cancel: what is canceled is on its way to ARM',
    name: 'cancel-put',
    before: null,
    hold: arm('PUT'),
    act: cancelIn('Submitting'),
    end: canceled,
  },
  {
    moment: 'cancel: the group is gone, the answer is under way',
    name: 'canceled',
    before: null,
    hold: arm('DELETE', '', drip),
    act: cancelIn('Provisioning'),
    seen: isGone,
    end: canceled,
  },
  {
    moment: 'rotate: the new version is proven',
    name: 'rotate-proof',
    before: fromHub,
    hold: () => ({ host: 'registry-1.docker.io', path: '/v2/', ...onAndOn }),
    act: rotate('dockerhub-pull', 'docker.io', 'myusername'),
    seen: (groups, { name }) => groups.some(group => group.name === name && group.revision === 1),
    end: rotated,
  },
  {
    moment: 'rotate: ARM has the new version, its answer is under way',
    name: 'rotated',
    before: fromCompany,
    hold: arm('PUT', '', drip),
    act: rotate('company-registry', 'registry.mycompany.com', 'deploy-user'),
    seen: (groups, { name }) => groups.some(group => group.name === name && group.revision === 2),
    end: rotated,
  },
  {
    moment: 'expire: the group is gone, the answer is under way',
    name: 'expired',
    before: {},
    hold: arm('DELETE', '', drip),
    async act(fleet, { id }) {
      const expiresAt = new Date(Date.now() + 5_000).toISOString();
      return await fleet.ask('PATCH', `/deployments/${id}`, { body: { expiresAt }, headers: later });
    },
    seen: isGone,
    end: { status: 'Deleted', revision: null, made: 1 },
  },
];
