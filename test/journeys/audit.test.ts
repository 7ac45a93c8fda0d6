import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { sql } from 'kysely';
import t from 'tap';
import { createLog } from '../../src/log.ts';
import type { AuditRecord } from '../../src/schemas/audit.ts';
import { sealAudit } from '../../src/store/audit-chain.ts';
import { type Database, openDatabase } from '../../src/store/database.ts';
import { asWorker } from '../../src/store/walls.ts';
import { testDatabaseUrl } from '../support/database.ts';
import { startDemoWorld } from '../support/demo-world.ts';
import { type Answer, createCaller, requestFor, startProcess } from '../support/service.ts';
import { slipway } from '../support/slipway.ts';

const world = await startDemoWorld(t);
const policy = join(world.data, 'policy.yaml');
// Both teams' own people may read their team's audit.
writeFileSync(
  policy,
  readFileSync('src/policy/embedded.yaml', 'utf8').replaceAll('cancel, delete]', 'cancel, delete, audit]'),
);
const database = await testDatabaseUrl(t);
const env = { ...world.env, ...database, SLIPWAY_POLICY: policy };
const service = await startProcess(t, ['src/main.ts'], env);
const ask = createCaller(service.url, await world.token());
const asOther = createCaller(service.url, await world.token('other'));
const asNobody = createCaller(service.url, null);

interface Expected {
  action: string;
  code: string | null;
  team: string | null;
  target: string | null;
}

/** Once the service has stopped: the embedded store is one process's. */
async function inDatabase<T>(work: (db: Database['db']) => Promise<T>): Promise<T> {
  const { DATABASE_URL: url } = database;
  const log = createLog({ level: 'silent' });
  const opened = await openDatabase({ ...(url ? { url } : { directory: world.data }), log });
  try {
    return await work(opened.db);
  } finally {
    await opened.close();
  }
}

const readRows = () => inDatabase(db => asWorker(db, trx => trx.selectFrom('audit').selectAll().execute()));

const rowsOf = async (caller: typeof ask): Promise<AuditRecord[]> =>
  (await caller('GET', '/audit?maxpagesize=1000')).json.value;

t.test('every change and every refusal of a session has one row, and a read has none', async t => {
  const session: [Answer, Expected | null][] = [];
  const told = async (answer: Promise<Answer>, expected: Expected | null) => {
    const given = await answer;
    session.push([given, expected]);
    return given;
  };
  const create = (code: string | null, target: string | null = null): Expected => ({
    action: 'create',
    code,
    team: 'demo',
    target,
  });
  const post = (body: unknown, headers: Record<string, string> = {}) =>
    ask('POST', '/deployments', { body, headers });

  const key = { 'idempotency-key': 'my-key', prefer: 'wait=30' };
  const { json } = await told(post(requestFor('kept'), key), create(null, 'kept'));
  t.equal(json.status, 'Running');
  await told(post(requestFor('kept'), key), null);
  await told(post(requestFor('other'), key), create('IdempotencyKeyReused', 'other'));
  await told(post(requestFor('kept')), create('DeploymentExists', 'kept'));
  await told(post({ name: 'no-containers' }), create('InvalidRequest', 'no-containers'));
  await told(post('text'), create('InvalidRequest'));
  await told(
    ask('POST', '/deployments', { raw: '{"password": "hunter2-hunter2"}' }),
    create('PasswordNotAccepted'),
  );
  await told(
    ask('POST', '/deployments', { raw: '{}', headers: { 'content-type': 'text/plain' } }),
    create('UnsupportedMediaType'),
  );
  await told(
    post({
      ...requestFor('attack'),
      imageRegistryCredentials: [{ server: 'myregistry.azurecr.io', secretName: 'other-pull' }],
    }),
    create('CredentialNotAvailable', 'attack'),
  );
  await told(post({ ...requestFor('foreign'), team: 'other' }), {
    ...create('PermissionDenied', 'foreign'),
    team: 'other',
  });
  // Accepted, and failed in its first stage: the change is on record, its failure on the operation.
  const failed = await told(
    post({ name: 'failed', containers: [{ image: 'myregistry.azurecr.io/my-app:v9.9' }] }),
    create(null, 'failed'),
  );
  t.equal(failed.status, 422);
  await told(asNobody('POST', '/deployments', { body: requestFor('x') }), {
    action: 'create',
    code: 'Unauthenticated',
    team: null,
    target: null,
  });
  await told(createCaller(service.url, 'a.bad.token')('GET', '/deployments/demo:kept'), {
    action: 'read',
    code: 'Unauthenticated',
    team: null,
    target: 'demo:kept',
  });
  await told(ask('POST', '/nowhere', { body: {} }), {
    action: 'unknown',
    code: 'NotFound',
    team: null,
    target: null,
  });
  await told(ask('GET', '/deployments'), null);
  await told(ask('GET', '/deployments/demo:none'), null);
  await told(ask('GET', '/deployments?surplus=1'), null);
  await told(asOther('DELETE', `/deployments/${json.id}`), {
    action: 'delete',
    code: 'NotFound',
    team: 'other',
    target: json.id,
  });
  await told(ask('DELETE', `/deployments/${json.id}`, { headers: { 'idempotency-key': 'gone' } }), {
    action: 'delete',
    code: null,
    team: 'demo',
    target: 'kept',
  });
  await ask('GET', `/deployments/${json.id}`, { headers: { prefer: 'wait=30' } });
  await told(ask('DELETE', `/deployments/${json.id}`), null);

  const own = await rowsOf(ask);
  const others = await rowsOf(asOther);
  t.ok(own.every(({ team }) => team === 'demo'));
  t.ok(others.every(({ team }) => team === 'other'));
  await service.stop();
  const rows = await readRows();
  t.same(
    [...own, ...others].map(({ id }) => id).sort(),
    rows
      .filter(({ team }) => team !== null)
      .map(({ id }) => id)
      .sort(),
  );
  for (const [answer, expected] of session) {
    const id = answer.headers.get('x-request-id');
    const found = rows.filter(({ requestId }) => requestId === id);
    const what = `${expected?.action} ${expected?.code} ${expected?.target}: ${answer.status}`;
    if (expected) t.match(found, [{ ...expected, count: 1, policyDigest: /^[0-9a-f]{64}$/ }], what);
    else t.same(found, [], `nothing for ${answer.status}`);
  }
  t.equal(rows.length, session.filter(([, expected]) => expected).length, 'and there are no others');
  const hashes = new Set(rows.map(({ idempotencyKeyHash }) => idempotencyKeyHash));
  t.equal(hashes.size, 3, 'two keys, and none');
  t.match(rows[0]?.principal, { issuer: 'embedded', subject: /./, client: /./ });
  t.notMatch(JSON.stringify(rows), 'hunter2');
});

t.test('slipway audit verify says whether the audit is whole, and where not', async t => {
  const sealed: string[] = [];
  const to = new Writable({ write: (line, _encoding, done) => done(void sealed.push(String(line))) });
  const log = createLog({ level: 'info', to });
  await inDatabase(db => sealAudit(db, { log, now: new Date() }));
  const heads = join(world.data, 'heads.log');
  writeFileSync(
    heads,
    ['not JSON', '{"audit":null}', `2026-11-24 stderr F ${service.said()}`, ...sealed].join('\n'),
  );

  const whole = await slipway(['audit', 'verify', '--heads', heads], env);
  t.equal(whole.code, 0, whole.err);
  t.match(
    whole.out,
    /^The audit is whole, as the log has it: \d+ rows in \d+ batches, newest head [0-9a-f]{64}\.\n$/,
  );
  t.match(
    (await slipway(['audit', 'verify'], env)).out,
    /^The audit agrees with itself: .* with --heads only/,
  );

  // As the owner of the tables could: his login is behind the walls, unless he takes them down.
  await inDatabase(async db => {
    await sql`alter table audit disable trigger user`.execute(db);
    await sql`alter table audit disable row level security`.execute(db);
    await sql`delete from audit where code = 'CredentialNotAvailable'`.execute(db);
  });
  const broken = await slipway(['audit', 'verify', '--heads', heads], env);
  t.equal(broken.code, 1);
  t.match(broken.out, /^batch \d+: row \d+ was removed\nThe audit was changed \(1 places\)/);

  const nothing = join(world.data, 'nothing.log');
  writeFileSync(nothing, 'no head');
  t.match(await slipway(['audit', 'verify', '--heads', nothing], env), {
    code: 2,
    err: /has no head of the audit/,
  });
  t.match(await slipway(['audit', 'verify', '--surplus'], env), {
    code: 2,
    err: /Usage: slipway audit verify/,
  });
  const nowhere = 'postgres://nobody:canary-password@127.0.0.1:1/x';
  const lost = await slipway(['audit', 'verify', '--database', nowhere], env);
  t.match(lost, { code: 3, err: /cannot be used \(127\.0\.0\.1:1\)/ });
  t.notMatch(lost.err + lost.out, 'canary-password');
});
