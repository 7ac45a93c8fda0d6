import t from 'tap';
import { createRegistryClient } from '../../src/registry/client.ts';
import { parseReference } from '../../src/registry/reference.ts';
import { Secret } from '../../src/secret.ts';
import {
  type DockerRegistries,
  noDockerRegistry,
  puller,
  startDockerRegistries,
  stranger,
} from '../support/docker-registry.ts';
import { startTestEmulator, type TestEmulator } from '../support/emulator.ts';

/* A registry that is not ours, by htpasswd and by token, as the service meets it and as the embedded Azure pulls from it. */
const settings = { skip: noDockerRegistry };
const hosts = ['htpasswd.example', 'tokens.example'] as const;

async function start(
  t: Parameters<typeof startTestEmulator>[0],
): Promise<{ registries: DockerRegistries; emulator: TestEmulator }> {
  const registries = await startDockerRegistries(t);
  return { registries, emulator: await startTestEmulator(t, { registries: registries.places }) };
}

t.test('the registry client against a real registry', settings, async t => {
  const { registries, emulator } = await start(t);
  const client = createRegistryClient({ dispatcher: emulator.dispatcher });
  const pull = (image: string, user: { username: string; password: string }) => {
    const parsed = parseReference(image);
    if (!parsed.ok) throw new Error(parsed.hint);
    const { username } = user;
    const credential = { username, password: new Secret(user.password) };
    const platform = { os: 'linux', architecture: 'amd64' } as const;
    return client.resolve({ reference: parsed.reference, credential, platform });
  };
  const wrong = { ...puller, password: 'wrong-password' };
  for (const host of hosts) {
    t.match(
      await pull(`${host}/team/app:1`, puller),
      { ok: true, digest: registries.digest },
      `${host}: the right credential pulls`,
    );
    t.match(
      await pull(`${host}/team/app:1`, wrong),
      { ok: false, problem: { status: 401 } },
      `${host}: a wrong password is refused`,
    );
    t.match(
      await pull(`${host}/team/app:9`, puller),
      { ok: false, problem: { status: 404, registryCode: 'MANIFEST_UNKNOWN' } },
      `${host}: a missing tag is not there`,
    );
  }
  t.match(
    await pull('tokens.example/team/app:1', stranger),
    { ok: false, problem: { status: 401 } },
    'tokens.example: another repository without right is refused',
  );
});

t.test('a container group from a real registry', settings, async t => {
  const { emulator } = await start(t);
  const { token } = await emulator.administrator.getToken('https://management.azure.com/.default');
  const put = (name: string, server: string, user: { username: string; password: string }) =>
    emulator.ask(
      `https://management.azure.com/subscriptions/00000000-0000-0000-0000-00000000bbbb/resourceGroups/my-resource-group/providers/Microsoft.ContainerInstance/containerGroups/${name}?api-version=2023-05-01`,
      { method: 'PUT', token, body: groupOf(server, user) },
    );
  for (const host of hosts) {
    t.equal(
      (await put(host.replace('.', '-'), host, puller)).status,
      201,
      `${host}: accepted with the right password`,
    );
    t.match(
      (await put('wrong', host, { ...puller, password: 'wrong-password' })).json,
      { error: { code: 'InaccessibleImage' } },
      `${host}: refused with a wrong one`,
    );
  }
});

function groupOf(server: string, user: { username: string; password: string }): object {
  const resources = { requests: { cpu: 1, memoryInGB: 1 } };
  return {
    location: 'eastus',
    properties: {
      osType: 'Linux',
      containers: [{ name: 'app', properties: { image: `${server}/team/app:1`, resources } }],
      imageRegistryCredentials: [{ server, ...user }],
    },
  };
}
