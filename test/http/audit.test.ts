import { Writable } from 'node:stream';
import Fastify from 'fastify';
import t from 'tap';
import { createError } from '../../src/errors.ts';
import { registerAudit } from '../../src/http/audit.ts';
import { registerProblems } from '../../src/http/problems.ts';
import { auditRefusals, createRefusals, type Refusal } from '../../src/http/refusals.ts';
import { formatSchemaErrors, schemaController } from '../../src/http/validation.ts';
import { createLog } from '../../src/log.ts';
import { AuditPage, AuditRecord } from '../../src/schemas/audit.ts';
import { Failure } from '../../src/schemas/failure.ts';
import { type Caller, Principal } from '../../src/schemas/principal.ts';
import { Problem } from '../../src/schemas/problem.ts';
import type { AuditEntry } from '../../src/store/audit.ts';

type Teardown = { teardown(done: () => unknown): unknown };

const minute = 60_000;

/** A recorder on a clock that the test drives. */
function recorder(t: Teardown, refuse?: (entry: AuditEntry) => Promise<void>) {
  let now = Date.parse('2026-11-24T10:00:00Z');
  const rows: AuditEntry[] = [];
  const lines: string[] = [];
  const to = new Writable({
    write(line, _encoding, done) {
      lines.push(String(line));
      done();
    },
  });
  const refusals = createRefusals({
    audit: { refuse: refuse ?? (async entry => void rows.push(entry)) },
    clock: { now: () => new Date(now) },
    log: createLog({ level: 'info', to }),
  });
  t.teardown(() => refusals.close());
  return { refusals, rows, lines, pass: (ms: number) => (now += ms) };
}

const nobody: Refusal = {
  team: null,
  principal: null,
  action: 'read',
  target: 'demo:web',
  code: 'Unauthenticated',
  policyDigest: 'digest',
  requestId: 'request-1',
};
const ann: Refusal = {
  ...nobody,
  team: 'demo',
  principal: { issuer: 'e', subject: 'ann' },
  code: 'NotFound',
};
const many = (count: number, record: (n: number) => Promise<void>) =>
  Promise.all(Array.from({ length: count }, (_, n) => record(n)));

t.test('a flood of bad tokens is sixty rows a minute, and one that counts the rest', async t => {
  const { refusals, rows, pass } = recorder(t);
  await many(5_000, n =>
    refusals.record({ ...nobody, action: n % 2 ? 'read' : 'create', requestId: `request-${n}` }),
  );
  t.equal(rows.length, 60);
  await refusals.record(ann);
  t.equal(rows.length, 61, 'who is signed in is not crowded out');

  pass(minute);
  await refusals.record({ ...nobody, requestId: 'later' });
  const [reads, creates, last, ...more] = rows.slice(61).sort((a, b) => (a.action > b.action ? -1 : 1));
  t.same(more, []);
  t.match(
    [reads, last, creates].sort((a, b) => (a?.count ?? 1) - (b?.count ?? 1)),
    [
      { requestId: 'later', target: 'demo:web' },
      { count: 2_470, code: 'Unauthenticated', target: null },
      { count: 2_470, code: 'Unauthenticated', target: null },
    ],
  );
  t.equal(
    rows.reduce((sum, { count = 1 }) => sum + count, 0),
    5_002,
    'none is lost',
  );
});

t.test('who is signed in has six hundred rows a minute, each for himself', async t => {
  const { refusals, rows } = recorder(t);
  const bob = { ...ann, principal: { issuer: 'e', subject: 'bob' } };
  await many(700, () => refusals.record(ann));
  await refusals.record(bob);
  t.equal(rows.length, 601);
  await refusals.flush();
  t.match(rows.at(-1), { count: 100, principal: { subject: 'ann' }, team: null });
  await refusals.flush();
  t.equal(rows.length, 602, 'and is told once');
});

t.test('while the store is out a refusal stays one, and the log has it', async t => {
  const { refusals, lines } = recorder(t, async () => {
    throw new Error('no store');
  });
  await refusals.record(ann);
  t.match(lines.join(''), /could not be put on record.*|"subject":"ann"/);
  t.match(JSON.parse(lines[0] ?? '{}'), { audit: { code: 'NotFound', principal: { subject: 'ann' } } });
});

const member: Caller = {
  principal: { issuer: 'e', subject: 'ann' },
  teams: { demo: ['read', 'audit'], other: ['read'], third: ['audit'] },
  expiresAt: 4_000_000_000,
};

async function startApp(t: Teardown, caller: Caller) {
  const asked: unknown[] = [];
  const refused: Refusal[] = [];
  const app = Fastify({ schemaController, schemaErrorFormatter: formatSchemaErrors });
  t.teardown(() => app.close());
  for (const schema of [Principal, Failure, Problem, AuditRecord, AuditPage]) app.addSchema(schema);
  registerProblems(app);
  const record = async (refusal: Refusal) => void refused.push(refusal);
  auditRefusals(app, { record, flush: async () => {}, close: async () => {} }, () => 'digest');
  app.decorateRequest('caller', null);
  app.addHook('onRequest', async request => {
    request.caller = caller;
  });
  const value: AuditRecord = {
    id: 41,
    at: '2026-11-24T10:00:00.000Z',
    team: null,
    principal: null,
    onBehalfOf: null,
    action: 'read',
    target: null,
    code: 'Unauthenticated',
    policyDigest: 'digest',
    requestId: 'r',
    idempotencyKeyHash: null,
    count: 7,
    batch: 3,
  };
  registerAudit(app, {
    async list(...args) {
      asked.push(args);
      return { value: [value], next: 41 };
    },
  });
  app.post('/refuse', { config: { permission: 'deploy', action: 'create' } }, async request => {
    const { status = 'busy' } = request.query as { status?: string };
    if (status === 'accepted') throw createError('DeploymentRefused', 'no', { accepted: true });
    if (status === 'broken') throw new Error('a defect');
    throw createError('DeploymentBusy', 'no', { about: { team: 'theirs', target: 'web' } });
  });
  await app.ready();
  return { app, asked, refused, value };
}

t.test('GET /audit shows a member his teams and an operator all, page by page', async t => {
  const { app, asked, value } = await startApp(t, member);
  const first = await app.inject({
    url: '/audit?team=demo&code=NotFound&since=2026-11-24T10:00:00Z&maxpagesize=1',
  });
  t.same(first.json().value, [value]);
  t.same(asked[0], [
    ['demo', 'third'],
    { team: 'demo', code: 'NotFound', since: new Date('2026-11-24T10:00:00Z'), until: undefined },
    { size: 1, before: undefined },
  ]);
  await app.inject({ url: first.json().nextLink });
  t.match(asked[1], [['demo', 'third'], { team: 'demo' }, { size: 1, before: 41 }]);

  const operator = await startApp(t, { ...member, teams: {}, operator: true });
  await operator.app.inject({ url: '/audit?principal=ann&action=create&until=0001-01-01T00:00:00Z' });
  t.match(operator.asked[0], [
    'all',
    { principal: 'ann', action: 'create', until: new Date(0) },
    { size: 100 },
  ]);
});

t.test('what cannot be understood is refused', async t => {
  const { app, asked } = await startApp(t, member);
  for (const query of [
    'since=yesterday',
    'until=2016-12-31T23:59:60Z',
    'continuation=bm9uc2Vuc2U',
    'maxpagesize=0',
    'maxpagesize=1001',
    'surplus=1',
    'team=',
  ])
    t.equal((await app.inject({ url: `/audit?${query}` })).statusCode, 400, query);
  t.same(asked, []);
});

t.test('a refusal is told whom it concerns; what was accepted or went wrong here is none', async t => {
  const { app, refused } = await startApp(t, { ...member, onBehalfOf: 'entra|bob' });
  const post = (query: string, headers = {}) =>
    app.inject({ method: 'POST', url: `/refuse${query}`, headers, payload: {} });
  await post('', { 'idempotency-key': '"my-key"' });
  await post('', { 'idempotency-key': 'my-key' });
  await post('', { 'idempotency-key': 'not visible' });
  t.match(refused[0], {
    action: 'create',
    team: 'theirs',
    target: 'web',
    code: 'DeploymentBusy',
    onBehalfOf: 'entra|bob',
    policyDigest: 'digest',
  });
  t.equal(refused[0]?.idempotencyKeyHash, refused[1]?.idempotencyKeyHash, 'quoted or not');
  t.match(refused[0]?.idempotencyKeyHash, /^[0-9a-f]{64}$/);
  t.equal(refused[2]?.idempotencyKeyHash, null);
  await post('?status=accepted');
  await post('?status=broken');
  await app.inject({ url: '/nowhere' });
  t.equal(refused.length, 3);
});
