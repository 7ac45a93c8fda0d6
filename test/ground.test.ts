import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { inspect } from 'node:util';
import t from 'tap';
import { request } from 'undici';
import { formatArmId, parseArmId, sameArmId } from '../src/arm-id.ts';
import { systemClock } from '../src/clock.ts';
import { findCanaries } from '../src/commands/canaries.ts';
import { ConfigError, readConfig } from '../src/config.ts';
import { createError, RequestError, requestErrors } from '../src/errors.ts';
import { failureCodes, failureKinds } from '../src/failures.ts';
import { canonicalRegistry, createDispatcher, locate, parseHostTable } from '../src/hosts.ts';
import { createLog } from '../src/log.ts';
import { Secret, scrub } from '../src/secret.ts';

t.test('an error on the way in takes its status and title from the table', async t => {
  const error = createError('DeploymentExists', 'there is one');
  t.ok(error instanceof RequestError);
  t.match(error, {
    code: 'DeploymentExists',
    statusCode: 409,
    title: 'A deployment of this name exists',
    message: 'there is one',
  });
  for (const [code, [status, title]] of Object.entries(requestErrors)) {
    t.ok(status >= 400 && status < 600, `${code} has an error status`);
    t.match(title, /^[A-Z].*[^.]$/, `${code} has a title`);
  }
});

t.test('every kind of failure says who must act and whether a retry can help', async t => {
  t.ok(failureCodes.length > 40);
  for (const code of failureCodes) {
    t.match(failureKinds[code].owner, /^(?:caller|registryOwner|platform)$/, code);
    t.match(code, /^[A-Z][A-Za-z]+$/);
  }
});

t.test('a secret is never text, however it is printed', async t => {
  const value = 'correct horse battery staple';
  using secret = new Secret(value);
  for (const text of [
    `${secret}`,
    JSON.stringify({ secret }),
    inspect({ deep: { secret } }),
    String(secret),
    Object.prototype.toString.call(secret),
  ])
    t.notMatch(text, value);
  t.equal(secret.reveal(), value);
});

/** What others make of a value that they repeat. */
function spellingsOf(value: string): Record<string, string> {
  const login = (user: string) => Buffer.from(`${user}:${value}`).toString('base64');
  return {
    raw: `a ${value} b`,
    JSON: JSON.stringify({ value }),
    'JSON in JSON': JSON.stringify({ body: JSON.stringify({ value }) }),
    address: `?p=${encodeURIComponent(value)}`,
    'address in small letters': encodeURIComponent(value).replace(/%../g, code => code.toLowerCase()),
    form: new URLSearchParams({ value }).toString(),
    'login, first place': login('me'),
    'login, second place': login('you'),
    'login, third place': login('them'),
    'login for addresses': Buffer.from(`me:${value}`).toString('base64url'),
    'login in an address': encodeURIComponent(login('you')),
    hex: Buffer.from(value).toString('hex'),
    HEX: Buffer.from(value).toString('hex').toUpperCase(),
    'UTF-16': Buffer.from(value, 'utf16le').toString('latin1'),
    'UTF-16 in JSON': JSON.stringify(Buffer.from(value, 'utf16le').toString('latin1')),
    'UTF-16 in base64': Buffer.from(`x${value}`, 'utf16le').toString('base64'),
  };
}

t.test(
  'the scrubber knows live secrets, raw, escaped and in base64, and forgets them after their step',
  async t => {
    const value = 'line"break\\and quote/+?&%';
    const secret = new Secret(value);
    const twin = new Secret(value);
    t.notMatch(scrub(`raw ${value}`), value);
    t.notMatch(scrub(JSON.stringify({ value })), JSON.stringify(value).slice(1, -1));
    t.equal(scrub(`file: ${Buffer.from(value).toString('base64')}.`), 'file: [secret].');
    for (const [how, text] of Object.entries(spellingsOf(value)))
      t.same(findCanaries([{ place: how, content: scrub(text) }], [value]), [], `${how}: ${scrub(text)}`);
    secret[Symbol.dispose]();
    secret[Symbol.dispose]();
    t.not(scrub(value), value, 'another holder still lives');
    twin[Symbol.dispose]();
    t.equal(scrub(value), value);
  },
);

t.test(
  'the log is one JSON line each, scrubbed at its sink, and tells no more of an error than it says',
  async t => {
    const lines: string[] = [];
    const to = new Writable({
      write(chunk, _encoding, done) {
        lines.push(String(chunk));
        done();
      },
    });
    const log = createLog({ level: 'info', to });
    using _secret = new Secret('hunter2-hunter2');
    log.info({ deep: { er: { message: 'said hunter2-hunter2' } } }, 'password hunter2-hunter2\nnext');
    log.error(
      { err: Object.assign(new Error('refused'), { code: 'E1', request: { body: 'the whole request' } }) },
      'failed',
    );
    log.error({ err: 'just text' }, 'odd');
    await new Promise(done => setImmediate(done));
    t.equal(lines.length, 3);
    t.notMatch(lines.join(''), 'hunter2-hunter2');
    t.notMatch(lines.join(''), 'the whole request');
    t.match(JSON.parse(lines[1] ?? ''), { err: { name: 'Error', code: 'E1', message: 'refused' } });
  },
);

t.test('ARM ids are taken apart and made anew; what is a path in disguise is none', async t => {
  const id =
    '/subscriptions/00000000-0000-0000-0000-00000000bbbb/resourceGroups/My.Group/providers/Microsoft.ManagedIdentity/userAssignedIdentities/puller';
  const parts = parseArmId(id.replace('resourceGroups', 'resourcegroups'));
  t.match(parts, {
    resourceGroup: 'My.Group',
    type: 'Microsoft.ManagedIdentity/userAssignedIdentities',
    name: 'puller',
  });
  t.equal(parts && formatArmId(parts), id);
  t.ok(sameArmId(id, id.toUpperCase()));
  const hostile = [
    `${id}/`,
    `${id}/../x`,
    id.replace('My.Group', '..'),
    id.replace('My.Group', '%2e%2e'),
    id.replace('puller', 'a b'),
    `${id}\n`,
    id.slice(1),
    '',
  ];
  for (const text of hostile) t.equal(parseArmId(text), null, JSON.stringify(text));
  t.notOk(sameArmId('x', 'x'), 'what is no id equals nothing');
});

t.test('a registry has one name', async t => {
  for (const name of ['docker.io', 'Index.Docker.IO', 'registry-1.docker.io', 'docker.io.', 'docker.io:443'])
    t.equal(canonicalRegistry(name), 'docker.io', name);
  t.equal(canonicalRegistry('Host.Example:5000'), 'host.example:5000');
});

t.test('the host table says where hosts live, and that others do not exist', async t => {
  const table = parseHostTable(
    'login.example=127.0.0.1:1 *.vault.example=[::1]:2,host.example:5000=10.0.0.1:3 *=none',
  );
  t.same(locate(table, 'LOGIN.example', 443), { hostname: '127.0.0.1', port: 1 });
  t.same(locate(table, 'a.vault.example', 443), { hostname: '::1', port: 2 });
  t.equal(locate(table, 'vault.example', 443), null);
  t.same(locate(table, 'host.example', 5000), { hostname: '10.0.0.1', port: 3 });
  t.equal(locate(table, 'host.example', 443), null);
  t.same(locate(parseHostTable(''), 'any.example', 443), { hostname: 'any.example', port: 443 });
  for (const wrong of ['nonsense', 'a=b', 'a=b:99999', '*=some'])
    t.throws(() => parseHostTable(wrong), /HOST=ADDRESS:PORT/, wrong);
});

t.test('the door to the network knows no host outside the table, without asking DNS', async t => {
  const closed = createDispatcher({ table: parseHostTable('*=none') });
  t.teardown(() => closed.destroy());
  await t.rejects(request('https://nowhere.example/', { dispatcher: closed }), {
    code: 'ENOTFOUND',
    hostname: 'nowhere.example',
  });
  const server = createServer(socket =>
    socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi'),
  ).listen(0, '127.0.0.1');
  await new Promise(done => server.once('listening', done));
  t.teardown(() => server.close());
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  const open = createDispatcher({ table: parseHostTable(`plain.example=127.0.0.1:${port}`) });
  t.teardown(() => open.destroy());
  const { body } = await request('http://plain.example/', { dispatcher: open });
  t.equal(await body.text(), 'hi');
});

t.test('settings have defaults that work, and a wrong one is told in a sentence', async t => {
  const directory = mkdtempSync(join(tmpdir(), 'slipway-config-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const noCertificate = join(directory, 'ca.pem');
  writeFileSync(noCertificate, 'nothing');
  const good = { SLIPWAY_POLICY: 'policy.yaml' };
  t.match(readConfig(good), {
    host: '127.0.0.1',
    port: 8080,
    role: 'all',
    databaseUrl: null,
    databaseSignIn: 'password',
    publicUrl: null,
    retention: { events: 90, records: 365, audit: 730 },
    ca: null,
    azure: {},
  });
  t.match(
    readConfig({
      ...good,
      PORT: '0',
      SLIPWAY_PUBLIC_URL: 'https://deploy.example/',
      AZURE_CLIENT_SECRET: 'hidden-secret',
      AZURE_CLIENT_ID: 'id',
      AZURE_TENANT_ID: 't',
    }),
    { port: 0, publicUrl: 'https://deploy.example' },
  );
  const wrong: [Record<string, string>, RegExp][] = [
    [{}, /SLIPWAY_POLICY is not set/],
    [{ ...good, PORT: '80a' }, /PORT must be a whole number/],
    [{ ...good, PORT: '70000' }, /PORT/],
    [{ ...good, LOG_LEVEL: 'loud' }, /LOG_LEVEL must be one of/],
    [{ ...good, SLIPWAY_ROLE: 'boss' }, /SLIPWAY_ROLE/],
    [{ ...good, SLIPWAY_RECORD_DAYS: '2' }, /SLIPWAY_RECORD_DAYS must be a whole number from 3 to 36500/],
    [{ ...good, SLIPWAY_AUDIT_DAYS: 'forever' }, /SLIPWAY_AUDIT_DAYS/],
    [{ ...good, SLIPWAY_DATABASE_SIGN_IN: 'entra' }, /needs a DATABASE_URL/],
    [
      { ...good, SLIPWAY_DATABASE_SIGN_IN: 'entra', DATABASE_URL: 'postgres://role:hunter2@host/db' },
      /no password/,
    ],
    [{ ...good, SLIPWAY_HOSTS: 'x' }, /SLIPWAY_HOSTS: 'x'/],
    [{ ...good, SLIPWAY_CA: noCertificate }, /SLIPWAY_CA: .*no certificate/],
    [{ ...good, SLIPWAY_PUBLIC_URL: 'ftp://x' }, /SLIPWAY_PUBLIC_URL/],
    [{ ...good, DATABASE_URL: 'mysql://user:hunter2@x' }, /DATABASE_URL must begin/],
    [{ ...good, AZURE_FEDERATED_TOKEN_FILE: 'relative' }, /absolute/],
  ];
  for (const [env, message] of wrong) {
    t.throws(() => readConfig(env), message);
    try {
      readConfig(env);
    } catch (error) {
      t.ok(error instanceof ConfigError);
      t.notMatch(String(error), 'hunter2');
    }
  }
});

t.test("the system's clock tells the time and waits, or stops waiting", async t => {
  t.ok(Math.abs(systemClock.now().getTime() - Date.now()) < 1_000);
  await systemClock.wait(1);
  await t.rejects(systemClock.wait(60_000, AbortSignal.abort()), { name: 'AbortError' });
});
