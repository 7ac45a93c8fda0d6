import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ContainerInstanceManagementClient } from '@azure/arm-containerinstance';
import { ClientSecretCredential } from '@azure/identity';
import { type Scope, within } from '../proof/scope.ts';
import type { DemoWorld } from '../test/support/demo-world.ts';
import { createHttpClient, mapToPort } from '../test/support/emulator.ts';
import { noNamespaces, startNamespace } from '../test/support/namespace.ts';
import { createCaller, requestFor, startProcess } from '../test/support/service.ts';
import { storedValue } from '../test/support/stored-secrets.ts';
import { freshName, furnish, storeName } from './place.ts';
import { median, type Row, rounded } from './row.ts';

const turns = 5;
const subscription = '00000000-0000-0000-0000-00000000bbbb';
const tenant = '00000000-0000-0000-0000-00000000aaaa';
const administrator = { clientId: '00000000-0000-0000-0000-00000000cccc', secret: 'emulator-admin' };
const group = 'my-resource-group';

/** From the request to the running group, less what Resource Manager and ACI take themselves: by Slipway, the SDK and `az`. */
export async function measureRunning(): Promise<Row[]> {
  return within(async scope => {
    const { world, env } = await furnish(scope);
    const service = await startProcess(scope, ['src/main.ts'], env);
    const ask = createCaller(service.url, await world.token(), []);
    const client = createClient(scope, world);
    const body = groupOf(storedValue(world, 'acr-admin'));
    const ours: number[] = [];
    const sdk: number[] = [];
    const own: number[] = [];
    for (let turn = 0; turn < turns; turn += 1) {
      own.push(await timed(() => putAndLook(client, body)));
      ours.push(
        await timed(async () => {
          const { json } = await ask('POST', '/deployments', {
            body: requestFor(freshName('ours')),
            headers: { prefer: 'wait=55' },
          });
          if (json.status !== 'Running') throw new Error(JSON.stringify(json.failure ?? json));
        }),
      );
      sdk.push(
        await timed(() => client.containerGroups.beginCreateOrUpdateAndWait(group, freshName('sdk'), body)),
      );
    }
    const beyond = (times: number[]) => rounded(median(times) - median(own));
    const rows = [
      row(
        `ms from POST to Running beyond ARM's own (${Math.round(median(own))} ms), against the SDK's wait, ${storeName}`,
        beyond(ours),
        beyond(sdk),
        0.25,
      ),
    ];
    const az = existsSync('/usr/bin/az') && !noNamespaces() ? await measureAz(scope) : null;
    if (az !== null)
      rows.push(
        row(
          `  the same against az container create, a whole process, ${storeName}`,
          beyond(ours),
          rounded(az - median(own)),
          0.05,
        ),
      );
    return rows;
  });
}

function createClient(scope: Scope, world: DemoWorld): ContainerInstanceManagementClient {
  const ca = readFileSync(join(world.data, 'azure', 'ca.pem'), 'utf8');
  const dispatcher = mapToPort(Number(new URL(world.azure.url).port), ca);
  scope.teardown(() => dispatcher.destroy());
  const httpClient = createHttpClient(dispatcher);
  const credential = new ClientSecretCredential(tenant, administrator.clientId, administrator.secret, {
    httpClient,
  });
  return new ContainerInstanceManagementClient(credential, subscription, { httpClient });
}

/** What nobody can be faster than: the call itself, and looks without a pause. */
async function putAndLook(
  client: ContainerInstanceManagementClient,
  body: ReturnType<typeof groupOf>,
): Promise<void> {
  const name = freshName('own');
  await client.containerGroups.beginCreateOrUpdate(group, name, body);
  for (;;) {
    const found = await client.containerGroups.get(group, name);
    if (found.provisioningState === 'Succeeded' && found.instanceView?.state === 'Running') return;
  }
}

const groupOf = (password: string) => ({
  location: 'eastus',
  osType: 'Linux',
  containers: [
    {
      name: 'app',
      image: 'myregistry.azurecr.io/my-app:v1.0',
      resources: { requests: { cpu: 1, memoryInGB: 1.5 } },
    },
  ],
  imageRegistryCredentials: [{ server: 'myregistry.azurecr.io', username: 'myregistry', password }],
});

/** One creation that waits for its end, by a process of its own: as it is typed. */
async function measureAz(scope: Scope): Promise<number> {
  const names = ['login.microsoftonline.com', 'management.azure.com', 'myregistry.azurecr.io'];
  const { run } = await startNamespace(scope, names, {
    AZURE_CORE_COLLECT_TELEMETRY: 'no',
    AZURE_CORE_ONLY_SHOW_ERRORS: 'true',
  });
  const az = async (command: string) => {
    const { code, out, err } = await run(command);
    if (code !== 0) throw new Error(`${command.slice(0, 60)}: ${err.slice(0, 500)}`);
    return out.trim();
  };
  await az(
    `az login --service-principal -u ${administrator.clientId} -p ${administrator.secret} --tenant ${tenant}`,
  );
  await az('az acr update --name myregistry --admin-enabled true');
  const password = await az('az acr credential show --name myregistry --query "passwords[0].value" -o tsv');
  const image = '--image myregistry.azurecr.io/my-app:v1.0 --registry-login-server myregistry.azurecr.io';
  return timed(() =>
    az(
      `az container create --resource-group ${group} --name by-az --cpu 1 --memory 1.5 ${image} --registry-username myregistry --registry-password ${password}`,
    ),
  );
}

async function timed(act: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await act();
  return performance.now() - begun;
}

function row(figure: string, value: number, base: number, most: number): Row {
  const ratio = rounded(value / base);
  return { figure, value, base, ratio, goal: `<= ${most}x`, met: ratio <= most };
}
