import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import t from 'tap';
import { createProgress } from '../../src/commands/remote/progress.ts';
import { temporaryDirectory } from '../support/service.ts';
import { slipway } from '../support/slipway.ts';

type Teardown = { teardown(done: () => unknown): unknown };
type Answering = (asked: IncomingMessage, body: string) => [status: number, body: object, headers?: object];

interface Heard {
  line: string;
  headers: IncomingMessage['headers'];
  body: string;
}

/** A Slipway of which the test says what it answers. */
async function startFake(t: Teardown, answering: Answering) {
  const heard: Heard[] = [];
  const server = createServer(async (asked: IncomingMessage, answer: ServerResponse) => {
    const body = await text(asked);
    heard.push({ line: `${asked.method} ${asked.url}`, headers: asked.headers, body });
    const [status, told, headers] = answering(asked, body);
    if (status === 0) return answer.destroy();
    answer.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(told));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, heard };
}

const token = 'a-token-that-nobody-may-see';
const directory = temporaryDirectory(t);
/** No more of the machine's own environment than finding programs takes. */
const clean = {
  ...{ SLIPWAY_TOKEN: token, XDG_CONFIG_HOME: directory, SLIPWAY_DATA: join(directory, 'none') },
  ...{ CI: undefined, GITHUB_ACTIONS: undefined, TF_BUILD: undefined, GITLAB_CI: undefined },
  ...{ SLIPWAY_URL: undefined, SLIPWAY_LOGIN: undefined, SLIPWAY_AUDIENCE: undefined },
};

const failure = {
  code: 'ImageNotFound',
  title: 'The registry has no such image',
  detail: 'ghcr.io has no app:9.',
  owner: 'caller',
  retryable: false,
  confidence: 'high',
  evidence: [{ step: 'manifest', host: 'ghcr.io', status: 404 }],
  fixes: [{ who: 'caller', action: 'Deploy a tag that exists' }],
};

const deployment = (more: object = {}) => ({
  ...{
    id: 'd1',
    target: 'demo',
    name: 'web',
    team: 'demo',
    status: 'Running',
    settled: true,
    health: 'Healthy',
  },
  ...{
    revision: 1,
    liveRevision: 1,
    operation: 'o1',
    waitingFor: null,
    failure: null,
    updatedAt: '2026-01-01T00:00:00Z',
  },
  ...{
    images: [],
    credentials: [],
    conditions: [],
    timeline: [],
    containerGroup: null,
    spec: { containers: [] },
  },
  ...more,
});

const operation = (more: object = {}) => ({
  ...{ id: 'o1', kind: 'Create', deployment: 'd1', revision: 1, status: 'Succeeded', steps: [] },
  ...{ createdAt: '2026-01-01T00:00:00Z', endedAt: '2026-01-01T00:00:09Z' },
  ...more,
});

const accepted = { location: '/deployments/d1', 'operation-location': '/operations/o1' };
const deployArgs = ['deploy', '--name', 'web', '--image', 'ghcr.io/myorg/app:1'];

/** A fake that accepts any change, of which the operation then is as given. */
const accepting =
  (ended: object, events: object[] = []): Answering =>
  asked => {
    const url = asked.url ?? '';
    if (asked.method !== 'GET') return [202, deployment(), accepted];
    if (url.includes('/wait')) return [408, { code: 'NotYet', detail: 'Not yet.' }];
    if (url.includes('/events')) return [200, { value: url.includes('after=0') ? events : [] }];
    return [200, url.startsWith('/operations') ? ended : deployment()];
  };

t.test('the exit says how it went', async t => {
  const refusing =
    (status: number, code: string, more: object = {}): Answering =>
    () => [status, { status, code, detail: `It is ${code}.`, ...more }, { 'retry-after': '0' }];
  const failed = (code: string) => operation({ status: 'Failed', failure: { ...failure, code } });
  const cases: [name: string, exit: number, answering: Answering, args?: string[]][] = [
    ['accepted', 0, accepting(operation({ endedAt: null })), []],
    ['reached', 0, accepting(operation())],
    ['already gone', 0, () => [204, {}], []],
    ['failed later', 1, accepting(failed('ContainerCrashed'))],
    ['canceled', 1, accepting(operation({ status: 'Canceled' }))],
    ['refused in the first stage', 1, refusing(422, 'ImageNotFound', { failure })],
    ['invalid', 2, refusing(400, 'InvalidRequest')],
    ['not there', 2, refusing(404, 'NotFound')],
    ['exists', 2, refusing(409, 'DeploymentExists')],
    ['needs to be replaced', 2, refusing(422, 'RequiresReplacement')],
    ['not signed in', 3, refusing(401, 'Unauthenticated')],
    ['not allowed', 3, refusing(403, 'RegistryNotAllowed')],
    [
      'still going',
      4,
      accepting(operation({ status: 'Running', endedAt: null })),
      ['--wait', '--timeout', '0'],
    ],
    ['a defect', 5, refusing(500, 'InternalError')],
    ['busy', 6, refusing(409, 'DeploymentBusy')],
    ['changed meanwhile', 6, refusing(412, 'PreconditionFailed')],
    ['superseded', 6, accepting({ ...failed('Superseded'), status: 'Canceled' })],
  ];
  await Promise.all(
    cases.map(async ([name, exit, answering, args = ['--wait']]) => {
      const { url } = await startFake(t, answering);
      const { code, out, err } = await slipway([...deployArgs, ...args], { ...clean, SLIPWAY_URL: url });
      t.equal(code, exit, `${name}: ${err}`);
      t.notMatch(out + err, token, 'the token is not shown');
      t.notMatch(out + err, /\n {4}at /, 'no stack');
      if (exit !== 0) t.not(err, '', 'it says why');
    }),
  );
});

t.test('a network that fails in between makes nothing twice', async t => {
  let calls = 0;
  const { url, heard } = await startFake(t, asked => {
    calls += 1;
    if (calls === 1) return [0, {}];
    if (calls === 2) return [503, { code: 'StoreUnavailable', detail: 'No.' }, { 'retry-after': '0' }];
    return accepting(operation())(asked, '');
  });
  const env = { ...clean, SLIPWAY_URL: url };
  const { code, err } = await slipway([...deployArgs, '--wait'], env);
  t.equal(code, 0, err);
  t.match(err, /does not answer.*tried again/);
  const changes = heard.filter(({ line }) => line === 'POST /deployments');
  t.equal(changes.length, 3);
  t.equal(new Set(changes.map(({ headers }) => headers['idempotency-key'])).size, 1);
  await slipway([...deployArgs, '--idempotency-key', 'run-7'], env);
  t.equal(heard.at(-1)?.headers['idempotency-key'], 'run-7');
  await slipway(deployArgs, env);
  t.not(
    heard.at(-1)?.headers['idempotency-key'],
    changes[0]?.headers['idempotency-key'],
    'each run has its own',
  );
});

t.test('in a GitHub workflow each request has a fresh token, and what is said is no command', async t => {
  let issued = 0;
  const gitHub = await startFake(t, () => [200, { value: `oidc-${++issued}` }]);
  const hostile = '\u001b[31mred\r\n::set-env name=PATH::/tmp ##[add-path]x';
  const ended = operation({ status: 'Failed', failure: { ...failure, detail: `100% ${hostile}` } });
  const event = { seq: 1, at: '2026-01-01T00:00:01Z', source: 'Aci', type: 'Pulling', message: hostile };
  const { url, heard } = await startFake(t, accepting(ended, [event]));
  const { code, err } = await slipway([...deployArgs, '--wait'], {
    ...clean,
    ...{ SLIPWAY_TOKEN: undefined, SLIPWAY_URL: url, SLIPWAY_AUDIENCE: 'api://slipway?x&y' },
    ...{ ACTIONS_ID_TOKEN_REQUEST_URL: `${gitHub.url}/token?v=2`, ACTIONS_ID_TOKEN_REQUEST_TOKEN: token },
    ...{
      GITHUB_ACTIONS: 'true',
      CI: 'true',
      GITHUB_SERVER_URL: 'https://github.com',
      GITHUB_REPOSITORY: 'x/y',
    },
    ...{ GITHUB_SHA: 'abc', GITHUB_RUN_ID: '7' },
  });
  t.equal(code, 1, err);
  t.match(gitHub.heard[0], {
    line: 'GET /token?v=2&audience=api%3A%2F%2Fslipway%3Fx%26y',
    headers: { authorization: `bearer ${token}` },
  });
  const used = heard.map(({ headers }) => headers.authorization);
  t.equal(new Set(used).size, used.length, 'no token is used twice');
  t.match(JSON.parse(heard[0]?.body ?? ''), {
    source: {
      repository: 'https://github.com/x/y',
      revision: 'abc',
      runUrl: 'https://github.com/x/y/actions/runs/7',
    },
  });
  const commands = err.split('\n').filter(line => /^\s*::|##\[/.test(line));
  t.equal(commands.length, 1, err);
  t.match(commands[0], /^::error title=Slipway%3A ImageNotFound::ImageNotFound: 100%25 red ::set-env/);
  t.notMatch(err, '\u001b');
  t.notMatch(err, token);
  t.notMatch(err, /oidc-\d/);
});

t.test('who cannot be signed in is told what is missing', async t => {
  const { url, heard } = await startFake(t, () => [500, {}]);
  const cases: [env: Record<string, string | undefined>, exit: number, told: RegExp][] = [
    [{ SLIPWAY_URL: undefined }, 2, /^SLIPWAY_URL is not set/],
    [{ SLIPWAY_URL: 'http://slipway.example.com' }, 2, /not sent to slipway\.example\.com in the clear/],
    [{ SLIPWAY_URL: 'slipway' }, 2, /is not the address of a Slipway/],
    [{ SLIPWAY_LOGIN: 'magic' }, 2, /'magic' is no way to sign in: token, github, entra, az, embedded/],
    [{ SLIPWAY_TOKEN: undefined, SLIPWAY_LOGIN: 'az' }, 2, /^SLIPWAY_AUDIENCE is not set/],
    [{ SLIPWAY_TOKEN: undefined, SLIPWAY_LOGIN: 'token' }, 2, /^SLIPWAY_TOKEN is not set/],
    [{ SLIPWAY_TOKEN: undefined, SLIPWAY_LOGIN: 'embedded' }, 3, /npm start/],
    [
      {
        ...{ SLIPWAY_TOKEN: undefined, SLIPWAY_AUDIENCE: 'a' },
        ...{ ACTIONS_ID_TOKEN_REQUEST_URL: url, ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'x' },
      },
      3,
      /GitHub gave no token \(it answered 500\): the job needs `permissions: id-token: write`/,
    ],
  ];
  await Promise.all(
    cases.map(async ([env, exit, told]) => {
      const { code, err } = await slipway(['list'], { ...clean, SLIPWAY_URL: url, ...env });
      t.equal(code, exit, err);
      t.match(err, told);
    }),
  );
  t.ok(
    heard.every(({ line }) => line.includes('audience=a')),
    'nobody asked Slipway',
  );
});

t.test('who is signed in to az is asked for by the audience', async t => {
  const home = temporaryDirectory(t);
  const answer = { accessToken: 'from-az', expiresOn: '2099-01-01 00:00:00.000000', expires_on: 4070908800 };
  const az = join(home, 'az');
  writeFileSync(az, `#!/bin/sh\necho "$@" >>${home}/asked\necho '${JSON.stringify(answer)}'\n`, {
    mode: 0o755,
  });
  const { url, heard } = await startFake(t, () => [200, { value: [] }]);
  const { code, out, err } = await slipway(['list'], {
    ...clean,
    ...{ SLIPWAY_URL: url, SLIPWAY_TOKEN: undefined, SLIPWAY_AUDIENCE: 'api://slipway' },
    ...{ PATH: `${home}:${process.env.PATH}`, AZURE_CLIENT_ID: undefined, IDENTITY_ENDPOINT: undefined },
    ...{ ACTIONS_ID_TOKEN_REQUEST_URL: undefined, MSI_ENDPOINT: undefined },
  });
  t.equal(code, 0, err);
  t.equal(heard[0]?.headers.authorization, 'Bearer from-az');
  t.match(readFileSync(join(home, 'asked'), 'utf8'), /account get-access-token .*api:\/\/slipway/);
  t.notMatch(out + err, 'from-az');
});

t.test('login keeps where and how, and never a token', async t => {
  const me = {
    principal: { issuer: 'i', subject: 's', name: 'ci' },
    teams: [{ team: 'demo', permissions: ['deploy', 'read'] }],
  };
  const { url } = await startFake(t, asked => [200, asked.url === '/me' ? me : { value: [deployment()] }]);
  const home = temporaryDirectory(t);
  const env = { ...clean, XDG_CONFIG_HOME: home };
  const { code, out } = await slipway(
    ['login', '--url', url, '--audience', 'api://x', '--with', 'token'],
    env,
  );
  t.match(
    { code, out },
    { code: 0, out: /signed in by token\n {2}who {4}ci\n {2}teams {2}demo \(deploy, read\)/ },
  );
  const listed = await slipway(['list'], env);
  t.match(listed, { code: 0, out: /^DEPLOYMENT +STATUS .*\ndemo:web +Running/ }, 'what was kept is used');
  const kept = readFileSync(join(home, 'slipway/login.json'), 'utf8');
  t.same(JSON.parse(kept), { url, audience: 'api://x', with: 'token' });
});

t.test('a request is a file, flags, or a file with flags over it', async t => {
  const { url, heard } = await startFake(t, accepting(operation()));
  const home = temporaryDirectory(t);
  mkdirSync(join(home, 'files'));
  const file = join(home, 'files/request.yaml');
  writeFileSync(
    file,
    `# The release's own.
name: web
containers:
  - { name: app, image: "ghcr.io/myorg/app:1" }
  - { name: sidecar, image: "ghcr.io/myorg/side:1" }
imageRegistryCredentials:
  - { server: ghcr.io, secretName: old }
labels: { a: one }
source: { revision: mine }
`,
  );
  const send = (...args: string[]) => slipway(args, { ...clean, SLIPWAY_URL: url });
  const flags = ['--image', 'sidecar=ghcr.io/myorg/side:2', '--secret', 'ghcr.io=new', '--label', 'b=two'];
  t.equal((await send('deploy', '-f', file, ...flags, '--on-existing', 'replace')).code, 0);
  t.same(JSON.parse(heard[0]?.body ?? ''), {
    name: 'web',
    containers: [
      { name: 'app', image: 'ghcr.io/myorg/app:1' },
      { name: 'sidecar', image: 'ghcr.io/myorg/side:2' },
    ],
    imageRegistryCredentials: [{ server: 'ghcr.io', secretName: 'new' }],
    labels: { a: 'one', b: 'two' },
    source: { revision: 'mine' },
    onExisting: 'replace',
  });
  writeFileSync(join(home, 'azure.yaml'), 'name: x\nproperties: {}\n');
  for (const [args, told] of [
    [['deploy'], /Say what to deploy/],
    [['deploy', file], /is one too many: is it -f FILE\?/],
    [['deploy', '-f', file, '--image', 'x:1'], /say of which container/],
    [['deploy', '-f', file, '--image', 'other=x:1'], /no container 'other'/],
    [['deploy', '-f', join(home, 'azure.yaml')], /slipway import /],
    [['deploy', '-f', file, '--timeout', 'soon'], /is not a number of seconds/],
    [['images', 'demo:web'], /CONTAINER=IMAGE is missing/],
    [['rollback', 'demo:web', '--revision', '0'], /is no number of a revision/],
    [['stop', 'demo:web', '--force'], /stop takes no --force/],
    [['delete', 'a', 'b'], /'b' is one too many/],
    [['get', 'a', '--output', 'xml'], /--output takes 'json'/],
  ] as const) {
    const { code, err } = await send(...args);
    t.match({ code, err }, { code: 2, err: told });
  }
  t.equal(heard.length, 1, 'nothing was asked');
  await send('images', 'demo:web', 'app=r/x:2', '--allow-replace', '--on-busy', 'queue');
  await send('restart', 'demo:web', '--force');
  await send('delete', 'demo:web', '--on-busy', 'supersede');
  t.same(
    heard.slice(1).map(({ line, body }) => `${line} ${body}`.trim()),
    [
      'POST /deployments/demo:web/images?onBusy=queue&allowReplace=true {"app":"r/x:2"}',
      'POST /deployments/demo:web/restart?force=true',
      'DELETE /deployments/demo:web?onBusy=supersede',
    ],
  );
});

t.test('a log is followed for as long as somebody reads', async t => {
  const server = createServer((_asked, answer) => {
    answer.writeHead(200, { 'content-type': 'text/event-stream' });
    const writing = setInterval(() => answer.write('data: {"line":"at work"}\n\n'), 10);
    answer.on('close', () => clearInterval(writing));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const env = {
    ...process.env,
    ...clean,
    SLIPWAY_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
  };
  const child = spawn(process.execPath, ['bin/slipway.js', 'logs', 'demo:web', 'app', '-f'], { env });
  t.teardown(() => child.kill('SIGKILL'));
  const exited = once(child, 'exit');
  const [chunk] = await once(child.stdout, 'data');
  t.match(String(chunk), /^at work\n/);
  child.stdout.destroy();
  t.same(await exited, [0, null], 'who reads no more has what he wanted');
});

t.test('a terminal has one line that renews itself, anything else has plain lines', async t => {
  const show = (isTTY: boolean, isPlain: boolean) => {
    const written: string[] = [];
    const progress = createProgress({ isTTY, columns: 40, write: each => written.push(each) }, isPlain);
    progress.event({
      seq: 1,
      at: '2026-01-01T10:20:30Z',
      source: 'Aci',
      type: 'x',
      container: 'app',
      message: 'Started',
    });
    progress.state(null, 'Slipway does not answer');
    progress.end();
    return written.join('');
  };
  const plain = '10:20:30  app: Started\n          Slipway does not answer\n';
  t.equal(show(false, false), plain);
  t.equal(show(true, true), plain, 'in CI too');
  t.match(
    show(true, false).replaceAll('\u001b', 'ESC'),
    /^\rESC\[2K10:20:30 {2}app: Started\n.*\rESC\[2KSlipway does not answer \(\d+ s\)\rESC\[2K$/s,
  );
});
