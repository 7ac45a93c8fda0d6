import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import fc, { type Arbitrary } from 'fast-check';
import t from 'tap';
import { Agent, request } from 'undici';
import { testDatabaseUrl } from '../support/database.ts';
import { eventually, startDemoWorld } from '../support/demo-world.ts';
import { putForeignGroup } from '../support/foreign-group.ts';
import {
  createValues,
  type Document,
  type Operation,
  operationsOf,
  spoiled,
  strangeValues,
} from '../support/openapi-requests.ts';
import { createCaller, requestFor, startProcess } from '../support/service.ts';

/** 10^5 in full: `SLIPWAY_TEST_REQUESTS=100000`. */
const requests = Number(process.env.SLIPWAY_TEST_REQUESTS ?? 1_000);
const seed = Number(process.env.SLIPWAY_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31));

const document: Document = JSON.parse(
  readFileSync(new URL('../../openapi/openapi.json', import.meta.url), 'utf8'),
);
const operations = operationsOf(document);
const values = createValues(document);

const world = await startDemoWorld(t);
const policy = readFileSync(world.env.SLIPWAY_POLICY ?? '', 'utf8');
const policyFile = join(world.data, 'policy.yaml');
writeFileSync(policyFile, policy.replaceAll('cancel, delete]', 'cancel, delete, audit]'));
const service = await startProcess(t, ['src/main.ts'], {
  ...world.env,
  ...(await testDatabaseUrl(t)),
  SLIPWAY_POLICY: policyFile,
});
const token = await world.token();
const ask = createCaller(service.url, token);
const dispatcher = new Agent({ connections: 12 });
t.teardown(() => dispatcher.destroy());

const known: { deployments: string[]; operations: string[]; names: string[] } = {
  deployments: [],
  operations: [],
  names: [],
};
for (const name of ['one', 'two', 'three']) {
  const { json } = await ask('POST', '/deployments', {
    body: requestFor(name),
    headers: { prefer: 'wait=40' },
  });
  known.deployments.push(json.id);
  known.operations.push(json.operation);
  known.names.push(`demo:${name}`);
}

const ajv = new Ajv2020({ strict: false, validateFormats: false });
ajv.addSchema(document, 'openapi');
const validators = new Map<string, ValidateFunction>();

function validatorOf({ path, method }: Operation, status: string, type: string): ValidateFunction {
  const place = ['paths', path, method.toLowerCase(), 'responses', status, 'content', type, 'schema']
    .map(part => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1')))
    .join('/');
  const validate = validators.get(place) ?? ajv.compile({ $ref: `openapi#/${place}` });
  validators.set(place, validate);
  return validate;
}

interface Call {
  operation: Operation;
  method: string;
  path: string;
  headers: Record<string, string>;
  body: string | null;
}

const often = <T>(usual: Arbitrary<T>, other: Arbitrary<T>, weight = 4): Arbitrary<T> =>
  fc.oneof({ arbitrary: usual, weight }, { arbitrary: other, weight: 1 });

/** What an operation is called with: what fits, or `strangely`. */
const callsOf = (operation: Operation) =>
  fc.constantFrom(true, false, false).chain(strangely => callsWith(operation, strangely));

function callsWith(operation: Operation, strangely: boolean): Arbitrary<Call> {
  return fc
    .record({
      path: fc.record(parametersOf(operation, 'path', strangely)),
      query: fc.record(parametersOf(operation, 'query', strangely), { requiredKeys: [] }),
      more: strangely
        ? fc.constantFrom<Record<string, string>>({}, {}, { more: '1' }, { access_token: 'x' })
        : fc.constant({}),
      headers: headersOf(operation, strangely),
      body: bodyOf(operation, strangely),
      head: often(fc.constant(false), fc.constant(true), 12),
    })
    .map(({ path, query, more, headers, body, head }) => ({
      operation,
      method: head && operation.method === 'GET' ? 'HEAD' : operation.method,
      path: `${fill(operation.path, path)}${queryOf({ ...query, ...more })}`,
      headers: { ...headers, ...(body === null ? {} : { 'content-type': contentType(body) }) },
      body: body === null || strangely ? body : namedAs(path.id, body),
    }));
}

/** A spec that is put keeps the name of its deployment. */
function namedAs(id: unknown, body: string): string {
  const value: unknown = JSON.parse(body);
  const [, name] = /^demo:(.*)$/.exec(String(id)) ?? [];
  return name && typeof value === 'object' && value !== null && 'containers' in value
    ? JSON.stringify({ ...value, name })
    : body;
}

const contentType = (body: string) => (body.length % 41 === 40 ? 'text/plain' : 'application/json');

function parametersOf(
  { parameters, operationId }: Operation,
  place: 'path' | 'query',
  strangely: boolean,
): Record<string, Arbitrary<unknown>> {
  // What is opaque comes from a page before.
  const theirs = parameters.filter(
    ({ in: where, name }) => where === place && (strangely || name !== 'continuation'),
  );
  return Object.fromEntries(
    theirs.map(({ name, schema }) => [
      name,
      strangely ? often(usual(operationId, name, schema), strangeValues) : usual(operationId, name, schema),
    ]),
  );
}

/** Ids that exist, and no wait that holds the test up. */
function usual(
  operationId: string,
  name: string,
  schema: Operation['parameters'][number]['schema'],
): Arbitrary<unknown> {
  if (name === 'secretName') return fc.constantFrom('ghcr-pull', 'acr-admin');
  if (name === 'name' && operationId === 'getLogs') return fc.constant('app');
  if (name === 'number') return fc.constantFrom(1, 1, 2);
  if (name === 'team') return fc.constantFrom('demo', 'demo', 'other');
  if (name === 'vault') return fc.constantFrom('demo-vault', 'demo-vault', 'other-vault');
  if (name === 'timeout') return fc.constantFrom(0, '0', 51, -1);
  if (name === 'follow') return fc.constant(false);
  if (name === 'id' && /Operation/.test(operationId))
    return often(fc.constantFrom(...known.operations), values(schema));
  if (name === 'id') return often(fc.constantFrom(...known.deployments, ...known.names), values(schema));
  if (name === 'code') return fc.constantFrom('ImageNotFound', 'InvalidRequest', 'NoSuchCode');
  return values(schema);
}

function headersOf({ parameters }: Operation, strangely: boolean): Arbitrary<Record<string, string>> {
  const isChange = parameters.some(({ name }) => name === 'idempotency-key');
  const bearer = `Bearer ${token}`;
  const odd = <T>(usual: T, ...others: T[]) => fc.constantFrom(usual, ...(strangely ? others : []));
  return fc
    .record({
      authorization: odd(bearer, bearer, bearer, bearer, '', 'Bearer x', 'Basic eDp5', `${bearer}x`),
      prefer: isChange
        ? odd('respond-async', 'wait=0', 'wait=0, x=y', 'respond-async, wait=0')
        : fc.constant('wait=0'),
      key: odd('', 'one', '"three"', 'a b', 'x'.repeat(256)),
      match: odd('*', '"1-x-Running"', '', 'W/"x"'),
      trace: fc.constantFrom('', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', '00-0-0-0'),
    })
    .map(({ authorization, prefer, key, match, trace }) => ({
      prefer,
      ...(authorization ? { authorization } : {}),
      ...(key ? { 'idempotency-key': key } : {}),
      ...(match ? { [isChange ? 'if-match' : 'if-none-match']: match } : {}),
      ...(trace ? { traceparent: trace } : {}),
    }));
}

const rawBodies = fc.constantFrom(
  '{',
  '[]',
  '"x"',
  'null',
  '{"a":1,"a":2}',
  '{"__proto__":1}',
  '\u0000',
  `"${'x'.repeat(70_000)}"`,
);

function bodyOf({ body, method }: Operation, strangely: boolean): Arbitrary<string | null> {
  if (method === 'GET') return fc.constant(null);
  if (!body) return strangely ? often<string | null>(fc.constant(null), rawBodies) : fc.constant(null);
  const text = (value: unknown) => JSON.stringify(value) ?? 'null';
  const fitting = values(body);
  return strangely ? often(fitting.chain(spoiled).map(text), rawBodies, 8) : fitting.map(text);
}

const fill = (path: string, given: Record<string, unknown>) =>
  path.replaceAll(/\{(\w+)\}/g, (_all, name: string) => encode(given[name]));

function encode(value: unknown): string {
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
  // A part that is empty or a step up would be another address.
  return /^\.*$/.test(text) ? 'none' : encodeURIComponent(text.toWellFormed());
}

function queryOf(query: Record<string, unknown>): string {
  const pairs = Object.entries(query).map(([name, value]) => `${encodeURIComponent(name)}=${encode(value)}`);
  return pairs.length > 0 ? `?${pairs.join('&')}` : '';
}

/** Null where the answer is one of the document's. */
async function send({
  operation,
  method,
  path,
  headers,
  body,
}: Call): Promise<{ status: number; wrong: string | null }> {
  const answer = await request(`${service.url}${path}`, {
    method: method as 'GET',
    headers,
    body,
    dispatcher,
  });
  const text = await answer.body.text();
  const status = answer.statusCode;
  return {
    status,
    wrong:
      judge(operation, method, status, String(answer.headers['content-type'] ?? ''), text) ??
      judgeHeaders(operation, status, answer.headers),
  };
}

/** Of the connection, or said of every answer by HTTP itself. */
const ofHttp =
  /^(?:content-(?:type|length|security-policy)|date|connection|keep-alive|transfer-encoding|cache-control|x-content-type-options)$/;

/** What an answer has beside its body is in the document too, and what every answer has is there. */
function judgeHeaders(
  { responses }: Operation,
  status: number,
  headers: Record<string, unknown>,
): string | null {
  const described = Object.keys(responses[status]?.headers ?? {});
  const untold = Object.keys(headers).filter(name => !ofHttp.test(name) && !described.includes(name));
  if (untold.length > 0) return `${status} has ${untold}, which is not in the document`;
  const always = ['x-request-id', 'api-version', 'x-ms-error-code'].filter(name => described.includes(name));
  const missing = [...always, 'cache-control'].filter(name => headers[name] === undefined);
  return missing.length > 0 ? `${status} has no ${missing}` : null;
}

function judge(
  operation: Operation,
  method: string,
  status: number,
  type: string,
  text: string,
): string | null {
  const described = operation.responses[status];
  if (!described) return `${status} is not in the document: ${text.slice(0, 300)}`;
  if (status >= 500) return text.slice(0, 300);
  if (method === 'HEAD') return text === '' ? null : 'a body for HEAD';
  const types = Object.keys(described.content ?? {});
  if (types.length === 0) return text === '' ? null : `a body for ${status}`;
  const [bare = ''] = type.split(';');
  const kind = types.find(each => each.startsWith(bare));
  if (!kind || bare === '') return `${status} of type ${type}`;
  if (!kind.includes('json')) return null;
  const validate = validatorOf(operation, String(status), kind);
  return validate(JSON.parse(text))
    ? null
    : `${status}: ${ajv.errorsText(validate.errors)}: ${text.slice(0, 300)}`;
}

/** What each operation with an example in the document answers to it, in an order in which they can be done. */
const exampleAnswers: [operationId: string, answer: object][] = [
  ['testCredential', { usable: true }],
  ['planDeployment', { changeKind: 'create' }],
  ['createDeployment', { status: 'Running' }],
  ['adoptDeployment', { status: 'Running' }],
  ['putDeployment', { status: 'Running' }],
  ['patchDeployment', { status: 'Running' }],
  ['putImages', { status: 'Running' }],
  ['rollBack', { status: 'Running' }],
];

t.test('every example of a request is taken as it stands', async t => {
  const examplesOf = ({ body }: Operation) => {
    const named = document.components.schemas[body?.$ref?.split('/').at(-1) ?? ''];
    return (named ?? body)?.examples ?? [];
  };
  const exemplary = operations.filter(operation => examplesOf(operation).length > 0);
  t.same(
    exemplary.map(({ operationId }) => operationId).sort(),
    exampleAnswers.map(([operationId]) => operationId).sort(),
  );
  await putForeignGroup(world, 'made-by-hand');
  for (const [operationId, json] of exampleAnswers)
    for (const operation of exemplary.filter(each => each.operationId === operationId))
      for (const example of examplesOf(operation) as { name?: string }[]) {
        const { name = 'example-registries' } = example;
        const headers = { prefer: 'wait=45', 'if-match': '*' };
        const path = operation.path.replace('{id}', `demo:${name}`);
        const answer = await eventually('a group that is settled', async () => {
          const answer = await ask(operation.method, path, { body: example, headers });
          return answer.text.includes('adopt it once') ? null : answer;
        });
        t.match(answer, { status: 200, json }, `${operationId} ${JSON.stringify(example).slice(0, 60)}`);
      }
});

t.test(`a client that knows the document alone is answered within it (seed ${seed})`, async t => {
  const each = Math.ceil(requests / operations.length);
  // In turns, so that what one changes the others meet.
  const calls = operations.map((operation, index) =>
    fc.sample(callsOf(operation), { numRuns: each, seed: seed + index }),
  );
  const queue = Array.from({ length: each }, (_, turn) => calls.flatMap(list => list[turn] ?? []))
    .flat()
    .values();
  const wrong: string[] = [];
  const seen = new Map<string, Map<number, number>>();
  const work = async () => {
    for (const call of queue) {
      const { status, wrong: found } = await send(call);
      const name = call.operation.operationId;
      const counts = seen.get(name) ?? seen.set(name, new Map()).get(name);
      counts?.set(status, (counts.get(status) ?? 0) + 1);
      if (found !== null && wrong.length < 20)
        wrong.push(`${call.method} ${call.path} ${call.body?.slice(0, 200)}: ${found}`);
    }
  };
  await Promise.all(Array.from({ length: 12 }, work));
  t.same(wrong, [], 'no unexpected 5xx, and no answer outside the document');
  for (const { operationId, method } of operations) {
    const statuses = [...(seen.get(operationId) ?? [])].toSorted(([a], [b]) => a - b);
    t.comment(`${operationId} ${statuses.map(([status, count]) => `${status}x${count}`).join(' ')}`);
    if (method === 'GET')
      t.ok(
        statuses.some(([status]) => status < 400),
        `${operationId} was answered with what it is for`,
      );
  }
  const refused = [...seen.values()].flatMap(counts => [...counts.keys()]).filter(status => status >= 400);
  t.ok(refused.length > operations.length, 'what does not fit was sent too');
  t.comment(
    `requests by a client of the document ${each * operations.length}, outside of it ${wrong.length}`,
  );
});

t.test('every resource has the manners of all', async t => {
  const fill = (path: string) =>
    path
      .replace('/operations/{id}', `/operations/${known.operations[0]}`)
      .replace('{id}', known.deployments[0] ?? '')
      .replace('{code}', 'NotFound')
      .replace('{number}', '1')
      .replace('{secretName}', 'ghcr-pull')
      .replace('{name}', 'app');
  // Beside an id: what those do not answer is taken for one.
  const own = Object.entries(document.paths).filter(([path]) => !/^\/deployments\/\w+$/.test(path));
  for (const [path, methods] of own) {
    const url = fill(path);
    const allowed = Object.keys(methods).map(method => method.toUpperCase());
    const other =
      ['PUT', 'PATCH', 'DELETE', 'POST', 'GET'].find(method => !allowed.includes(method)) ?? 'TRACE';
    const refused = await ask(other, url);
    t.match(refused, { status: 405, json: { code: 'MethodNotAllowed', status: 405 } }, `${other} ${path}`);
    t.same(
      (refused.headers.get('allow') ?? '').split(', ').filter(method => method !== 'HEAD'),
      allowed.sort(),
      `${path} names its methods`,
    );
    t.match(refused.headers.get('content-type'), /^application\/problem\+json/, path);
    for (const method of allowed) {
      const unknown = await ask(
        method,
        `${url}?no-such=1`,
        method === 'GET' ? {} : { body: {}, headers: { 'if-match': '*' } },
      );
      t.match(
        unknown,
        { status: 400, json: { code: 'InvalidRequest' } },
        `${method} ${path} refuses what it does not know`,
      );
      if (method === 'GET') t.match(unknown.text, /no-such/, `${path} names it`);
      for (const answer of [refused, unknown]) {
        t.match(answer.headers.get('x-request-id'), /^[0-9a-f-]{36}$/);
        t.equal(answer.headers.get('cache-control'), 'no-store');
        t.equal(answer.headers.get('x-ms-error-code'), answer.json.code);
      }
    }
    if (!allowed.includes('GET')) continue;
    const [got, head] = [await ask('GET', url), await ask('HEAD', url)];
    t.same([head.status, head.text], [got.status, ''], `HEAD ${path} is GET without a body`);
    const versioned = await ask('GET', `${url}?api-version=2026-11-01`);
    t.same([versioned.status, versioned.headers.get('api-version')], [got.status, '2026-11-01'], path);
  }
  t.match(await ask('GET', '/me?api-version=1999-01-01'), {
    status: 400,
    json: { errors: [{ pointer: 'querystring:/api-version' }] },
  });
  t.equal((await ask('GET', '/me', { headers: { 'api-version': 'x' } })).status, 400);

  for (const [authorization, challenge] of [
    ['', 'Bearer'],
    ['Bearer x', 'Bearer error="invalid_token"'],
  ] as const) {
    const refused = await createCaller(service.url, null)('GET', '/me', { headers: { authorization } });
    t.same([refused.status, refused.headers.get('www-authenticate')], [401, challenge]);
  }
  const unreadable = await ask('GET', '/deployments/%zz');
  t.match(unreadable, { status: 400, json: { code: 'InvalidRequest' } });
  t.equal(unreadable.headers.get('cache-control'), 'no-store');
  t.equal(unreadable.json.instance, `urn:uuid:${unreadable.headers.get('x-request-id')}`);
  const text = { 'content-type': 'text/plain' };
  const unsupported = await ask('POST', '/deployments', { body: {}, headers: text });
  t.equal(unsupported.status, 415);
  t.equal(unsupported.headers.get('accept'), 'application/json', 'and says what is taken');

  const deployment = `/deployments/${known.deployments[0]}`;
  const etag = (await ask('GET', deployment)).headers.get('etag') ?? '';
  for (const tag of [etag, `W/${etag}`, `"x", ${etag}`, '*']) {
    const same = await ask('GET', deployment, { headers: { 'if-none-match': tag } });
    t.same([same.status, same.text, same.headers.get('etag')], [304, '', etag], tag);
  }
  t.equal((await ask('GET', deployment, { headers: { 'if-none-match': '"x"' } })).status, 200);

  const page = await ask('GET', '/docs/errors/ImageNotFound', { headers: { accept: 'text/html,*/*' } });
  t.match(page.headers.get('content-type'), /^text\/html/);
  t.match(page.text, /<h1>ImageNotFound<\/h1>[\s\S]*What to do/);
});
