import t from 'tap';
import { testDatabaseUrl } from '../support/database.ts';
import { startDemoWorld } from '../support/demo-world.ts';
import { createCaller, startProcess } from '../support/service.ts';
import { furnish, type Row, secretOf } from './registries-world.ts';

/* A registry that is bound and turns hostile: nobody else is asked, as its journal and everybody's shows. */

const world = await startDemoWorld(t);
const host = 'hostile.example';
const hostile: Row = {
  name: 'hostile',
  host,
  kind: 'basic',
  username: 'puller',
  repository: 'team/app',
  other: 'team/none',
  wrong: /./,
  denied: /./,
};
const settings = await furnish(world, [hostile]);
const { port } = new URL(world.azure.url);
// Whatever it could lead to is led to the journal: it would be seen there.
const everywhere = ['*.example', '*.evil.com', '127.0.0.1', '169.254.169.254', 'auth.docker.io']
  .map(name => `${name}=127.0.0.1:${port}`)
  .join(' ');
const env = {
  ...world.env,
  ...(await testDatabaseUrl(t)),
  ...settings,
  SLIPWAY_HOSTS: `${everywhere} ${settings.SLIPWAY_HOSTS}`,
};
const service = await startProcess(t, ['src/main.ts'], env);
const ask = createCaller(service.url, await world.token());

interface Trap {
  name: string;
  faults: { method?: string; path?: string; response?: object; dripBytesPerSecond?: number }[];
  code: RegExp;
  asked: string[];
}

const manifest = '/v2/team/app/manifests/1.4.2';
const challenge = (value: string) => ({ status: 401, headers: { 'www-authenticate': value } });
const to = (location: string) => ({ status: 307, headers: { location } });
const realm = (address: string): Trap => ({
  name: `tokens from ${address}`,
  faults: [{ response: challenge(`Basic realm="x", Bearer realm="${address}",service="s"`) }],
  code: /^NotARegistry$/,
  asked: [`HEAD ${manifest}`],
});
const redirect = (location: string): Trap => ({
  name: `a redirect to ${location}`,
  faults: [{ response: to(location) }],
  code: /^NotARegistry$/,
  asked: [`HEAD ${manifest}`, `GET ${manifest}`],
});
const signIn = { path: '^/v2/', response: challenge(`Bearer realm="https://${host}/token",service="s"`) };

const traps: Trap[] = [
  realm('https://evil.example/token'),
  realm(`http://${host}/token`),
  realm(`https://${host}@evil.example/token`),
  realm(`https://${host}.evil.com/token`),
  realm(`https://${host}:8443/token`),
  realm('https://169.254.169.254/metadata/identity/oauth2/token'),
  realm('https://127.0.0.1/token'),
  realm('https://auth.docker.io/token'),
  redirect('https://evil.example/v2/team/app/manifests/1.4.2'),
  redirect(`http://${host}${manifest}`),
  redirect('https://169.254.169.254/'),
  redirect(`https://${host}/v2/round/manifests/1`),
  {
    name: 'a redirect of the tokens',
    faults: [signIn, { path: '^/token', response: to('https://evil.example/token') }],
    code: /^NotARegistry$/,
    asked: [`HEAD ${manifest}`, 'GET /token?service=s&scope=repository%3Ateam%2Fapp%3Apull'],
  },
  {
    name: 'words that would be headers',
    faults: [
      {
        path: '^/v2/',
        response: challenge(`Bearer realm="https://${host}/token",service="\\r\\nX-Evil: 1",scope="a b&c=d"`),
      },
      { path: '^/token', response: { status: 200, body: { token: 'a\r\nX-Evil: 1' } } },
    ],
    code: /^NotARegistry$/,
    asked: [`HEAD ${manifest}`, 'GET /token?service=rnX-Evil%3A+1&scope=a+b%26c%3Dd'],
  },
  {
    name: 'a body without end',
    faults: [{ method: 'GET', response: { status: 200, body: 'x'.repeat(1024 * 1024) } }],
    code: /^NotARegistry$/,
    asked: [`HEAD ${manifest}`, `GET ${manifest}`],
  },
  {
    name: 'tokens without end',
    faults: [signIn, { path: '^/token', response: { status: 200, body: { token: 'x'.repeat(100_000) } } }],
    code: /^NotARegistry$/,
    asked: [`HEAD ${manifest}`, 'GET /token?service=s&scope=repository%3Ateam%2Fapp%3Apull'],
  },
  {
    name: 'a body of a byte a second',
    faults: [{ method: 'GET', dripBytesPerSecond: 1 }],
    code: /^RegistryUnreachable$/,
    asked: [`HEAD ${manifest}`, `GET ${manifest}`],
  },
  {
    name: 'a manifest that is kept elsewhere',
    faults: [{ path: '/blobs/', response: to('https://evil.example/blob') }],
    code: /^$/,
    asked: [`HEAD ${manifest}`, `GET ${manifest}`],
  },
];

t.test('each trap leads to no other host, and to no request more than it takes to see it', async t => {
  let right = 0;
  for (const { name, faults, code, asked } of traps) {
    for (const fault of faults.toReversed()) await world.control('POST', 'faults', { host, ...fault });
    const before = (await world.journal()).at(-1)?.seq ?? 0;
    const { status, json } = await ask('POST', '/credentials/test', {
      body: { server: host, secretName: secretOf(hostile, 'right'), image: `${host}/team/app:1.4.2` },
    });
    await world.control('DELETE', 'faults');
    const calls = (await world.journal(before)).filter(
      call => !/^login\.|vault\.azure\.net$/.test(call.host),
    );
    const others = calls.filter(call => call.host !== host && !call.path.startsWith('/_emulator'));
    const own = calls.filter(call => call.host === host).map(({ method, path }) => `${method} ${path}`);
    const good = [
      t.match(
        { status, code: json.failure?.code ?? '' },
        { status: 200, code },
        `${name}: ${json.failure?.code}`,
      ),
      t.same(others, [], `${name}: nobody else`),
      // The registry's first own answer asks for a password; the one after it comes with one.
      t.same([...new Set(own)], asked, `${name}: ${own.length} requests`),
      t.ok(own.length <= asked.length + 1),
      t.notMatch(JSON.stringify(json), /right-password|169\.254\.169\.254 is|X-Evil: 1\r/),
    ];
    if (good.every(Boolean)) right += 1;
  }
  t.comment(`hostile registries ${right}/${traps.length}`);
  t.equal(right, traps.length);
});
