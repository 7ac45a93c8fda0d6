import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import t from 'tap';
import { createCaller, requestFor, startProcess, temporaryDirectory } from '../support/service.ts';

const root = join(import.meta.dirname, '../..');

async function run(args: string[], env: Record<string, string | undefined> = {}) {
  const child = spawn(process.execPath, ['--import', './src/require-node.js', ...args], {
    cwd: root,
    env: { ...process.env, NODE_OPTIONS: undefined, DATABASE_URL: undefined, ...env },
  });
  let out = '';
  let err = '';
  child.stdout.on('data', chunk => {
    out += chunk;
  });
  child.stderr.on('data', chunk => {
    err += chunk;
  });
  const [code] = await once(child, 'exit');
  return { code, out, err };
}

t.test('npm run demo tells the whole story and exits 0', async t => {
  const { code, out, err } = await run(['src/commands/demo.ts'], { TAP: undefined });
  if (code !== 0) t.comment(`${out}\n${err}`);
  t.equal(code, 0);
  t.match(out, /11 of 11 steps went as told/);
  t.match(
    out.trim().split('\n').at(-1),
    /^None of the \d+ passwords occurs in any of \d+ answers, \d+ log lines and \d+ stored rows\.$/,
  );
  for (const code of [
    'RegistryAuthenticationFailed',
    'ImageNotFound',
    'RegistryHostNotFound',
    'RegistryRateLimited',
    'RegistryNotAllowed',
  ])
    t.match(out, code);
});

t.test('npm start serves on the embedded Azure, stops within 5 s, and remembers', async t => {
  const data = temporaryDirectory(t);
  const env = {
    SLIPWAY_DATA: data,
    PORT: '0',
    EMULATOR_PORT: '0',
    DATABASE_URL: undefined,
    SLIPWAY_POLICY: undefined,
  };
  const first = await startProcess(t, ['src/main.ts', '--embedded'], env);
  t.match(first.said(), /slipway listening on http:\/\/127\.0\.0\.1:\d+/);
  const token = async () => (await run(['src/commands/token.ts'], { ...env, EMULATOR_PORT: undefined })).out;
  const bearer = await token();
  t.match(bearer, /^ey[\w-]+\.[\w-]+\.[\w-]+$/, 'the token command prints a token and nothing else');
  const ask = createCaller(first.url, bearer);
  const { json } = await ask('POST', '/deployments', {
    body: requestFor('kept'),
    headers: { prefer: 'wait=30' },
  });
  t.equal(json.status, 'Running');
  t.match(await ask('GET', '/me'), { json: { teams: [{ team: 'demo' }] } });
  t.equal((await fetch(`${first.url}/readyz`)).status, 200);
  await eventuallySaid(first.said, /curl -sS http/);

  const second = await run(['src/main.ts', '--embedded'], env);
  t.equal(second.code, 1);
  t.match(
    second.err,
    /Another Slipway uses|did not start|in use/,
    'a second one on the same data is told so',
  );

  const begun = performance.now();
  await first.stop('SIGINT');
  t.ok(performance.now() - begun < 5_000, 'it stops within 5 s');
  const again = await startProcess(t, ['src/main.ts', '--embedded'], env);
  const askAgain = createCaller(again.url, await token());
  t.match((await askAgain('GET', `/deployments/${json.id}`)).json, { id: json.id, status: 'Running' });
  t.match(await askAgain('DELETE', `/deployments/${json.id}`, { headers: { prefer: 'wait=30' } }), {
    status: 200,
    json: { status: 'Deleted' },
  });
});

async function eventuallySaid(said: () => string, pattern: RegExp): Promise<void> {
  for (let look = 0; look < 100; look++) {
    if (pattern.test(said())) return;
    await new Promise(done => setTimeout(done, 50));
  }
  throw new Error(`it never said ${pattern}`);
}

t.test('a wrong setting ends the start with a sentence', async t => {
  for (const [env, message] of [
    [{ PORT: 'eighty' }, /^PORT must be a whole number/],
    [{ SLIPWAY_POLICY: '' }, /^SLIPWAY_POLICY is not set/],
    [{ SLIPWAY_POLICY: '/nowhere/policy.yaml' }, /^The policy cannot be used/],
  ] as const) {
    const { code, err } = await run(['src/main.ts'], env);
    t.equal(code, 1);
    t.match(err, message);
    t.notMatch(err, /\n {4}at /, 'no stack');
  }
  const { code, err } = await run(['src/commands/token.ts'], { SLIPWAY_DATA: temporaryDirectory(t) });
  t.match({ code, err }, { code: 1, err: /run `npm start` first/ });
});

t.test('an older Node is told so in a sentence', async t => {
  const script =
    "Object.defineProperty(process.versions, 'node', { value: '20.20.2' }); await import('./src/require-node.js');";
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], { cwd: root });
  let err = '';
  child.stderr.on('data', chunk => {
    err += chunk;
  });
  const [code] = await once(child, 'exit');
  t.match({ code, err }, { code: 1, err: /^Slipway needs Node 24 or newer; this is 20\.20\.2\./ });
});
