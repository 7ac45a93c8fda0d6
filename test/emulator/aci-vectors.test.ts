import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { type Answer, startTestEmulator, type TestEmulator } from '../support/emulator.ts';
import { exampleDifferences, recordingDifferences } from './aci-differences.ts';
import { membersApart, valuesApart } from './members-apart.ts';
import { lifeOf, lifeRecorded } from './recorded-life.ts';
import { type Ask, type GroupBody, prepare } from './vector-world.ts';

const arm = 'https://management.azure.com';
const vectors = join(import.meta.dirname, '../vectors');
const read = (file: string) => JSON.parse(readFileSync(join(vectors, file), 'utf8'));
/** Those that were given, and what else public recordings show (`recordings/`, each with its source). */
const given = readdirSync(join(vectors, 'aci-recordings')).map(file => `aci-recordings/${file}`);
const ours = readdirSync(join(import.meta.dirname, 'recordings')).map(
  file => `../emulator/recordings/${file}`,
);
const tiers = ['simulated', 'registry'] as const;

interface Wire {
  emulator: TestEmulator;
  ask: Ask;
}

/** One emulator for a test: `fresh` gives it a new world for the next vector. */
async function wiresTo(t: Parameters<typeof startTestEmulator>[0], tier: (typeof tiers)[number]) {
  const emulator = await startTestEmulator(t, { tier });
  emulator.clock.setRate(0);
  return async function fresh(): Promise<Wire> {
    await emulator.ask(`${arm}/_emulator/world`, { method: 'DELETE' });
    // No limit of requests is in the way.
    emulator.clock.advance(300_000);
    const token = await emulator.token('administrator', `${arm}/.default`);
    return {
      emulator,
      ask: (method, url, body) => emulator.ask(url, { method, token, ...(body ? { body } : {}) }),
    };
  };
}

interface Example {
  file: string;
  operation: string;
  method: 'GET' | 'PUT' | 'POST' | 'PATCH' | 'DELETE';
  pathTemplate: string;
  apiVersion: string;
}

interface Exchange {
  method: Example['method'];
  path: string;
  query: Record<string, string>;
  requestBody: GroupBody | null;
  status: number;
  headers: Record<string, string>;
  responseBody: Record<string, unknown>;
  at: string | null;
  repeated?: number;
}

/** Operations of other resource types, which are not answered yet. */
const notYet = /^(?:NGroups|CGProfile|ContainerGroupProfile)/;

for (const tier of tiers)
  t.test(`official examples, in tier ${tier}`, async t => {
    const index: Example[] = read('aci-spec/index.json');
    const examples = index.filter(({ operation }) => !notYet.test(operation));
    const waiting = index.filter(({ operation }) => notYet.test(operation)).map(({ file }) => file);
    const fresh = await wiresTo(t, tier);
    let reproduced = 0;
    for (const example of examples) {
      const faults = await tryExample(await fresh(), example, tier);
      t.same(faults, [], example.file);
      if (faults.length === 0) reproduced += 1;
    }
    t.comment(
      `official examples reproduced ${reproduced}/${examples.length} in tier ${tier}${waiting.length ? `, not yet: ${waiting.join(', ')}` : ''}`,
    );
  });

async function tryExample(wire: Wire, example: Example, tier: string): Promise<string[]> {
  const { parameters, responses } = read(`aci-spec/${example.file}`);
  const body: GroupBody | undefined =
    parameters.containerGroup ?? parameters.Resource ?? parameters.containerExecRequest;
  const url = urlOf(example, parameters);
  if (example.method === 'PUT') return tryPut(wire, url, body ?? {}, responses, tier);
  const expected = responses['200']?.body;
  const group = /^ContainerGroups_|^Containers_/.test(example.operation);
  if (group) await putBefore(wire, url, parameters, expected);
  const answer = await wire.ask(example.method, url, body);
  if (!Object.hasOwn(responses, answer.status)) return [`${answer.status} ${answer.text.slice(0, 300)}`];
  const wanted = responses[answer.status];
  const header = Object.keys(wanted.headers ?? {}).filter(name => answer.headers[name] === undefined);
  return [
    ...header.map(name => `header ${name} is missing`),
    ...(wanted.body === undefined ? [] : membersApart(answer.json, wanted.body, exampleDifferences)),
    ...valuesApart(answer.json, wanted.body, body ?? {}),
  ];
}

function urlOf({ pathTemplate, apiVersion }: Example, parameters: Record<string, unknown>): string {
  const path = pathTemplate.replace(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(String(parameters[name])),
  );
  const tail = parameters.tail === undefined ? '' : `&tail=${parameters.tail}`;
  return `${arm}${path}?api-version=${apiVersion}${tail}`;
}

/** Made, and once it runs, put again: the example has an answer for each. */
async function tryPut(
  wire: Wire,
  url: string,
  body: GroupBody,
  responses: Record<string, { body: unknown }>,
  tier: string,
): Promise<string[]> {
  await prepare(wire.emulator, wire.ask, new URL(url).pathname, body);
  const created = await wire.ask('PUT', url, body);
  // No registry can have an image with capital letters in its name.
  const capitals = body.properties?.containers?.find(({ properties }) =>
    /[A-Z]/.test(properties.image ?? ''),
  );
  if (capitals && tier === 'registry')
    return created.json.error?.code === 'InaccessibleImage' ? [] : [`capitals: ${created.status}`];
  if (created.status !== 201) return [`${created.status} ${created.text.slice(0, 300)}`];
  await settle(wire, url);
  const updated = await wire.ask('PUT', url, body);
  const compare = (answer: Answer, status: number) =>
    answer.status === status
      ? [
          ...membersApart(answer.json, responses[status]?.body, exampleDifferences),
          ...valuesApart(answer.json, responses[status]?.body, body),
        ].map(fault => `${status}: ${fault}`)
      : [`${answer.status}, not ${status}: ${answer.text.slice(0, 300)}`];
  return [
    ...compare(created, 201),
    ...compare(updated, 200),
    ...secretsIn(created, body),
    ...secretsIn(updated, body),
  ];
}

/** Every value under a name that Azure never answers. */
function secretsIn({ text }: Answer, body: unknown): string[] {
  if (typeof body !== 'object' || body === null) return [];
  return Object.entries(body).flatMap(([name, value]) => {
    const secret =
      /^(password|secureValue|storageAccountKey|workspaceKey|workspaceResourceId|secret|protectedSettings)$/.test(
        name,
      );
    if (!secret) return secretsIn({ text } as Answer, value);
    return valuesOf(value)
      .filter(each => each !== '***' && text.includes(each))
      .map(each => `${name} is answered: ${each}`);
  });
}

const valuesOf = (value: unknown): string[] =>
  typeof value === 'object' && value !== null ? Object.values(value).flatMap(valuesOf) : [String(value)];

/** Lets time pass until the group is what it will be: the pull really happens, so it is asked for. */
async function settle({ emulator, ask }: Wire, url: string): Promise<void> {
  for (let left = 500; left > 0; left -= 1) {
    emulator.clock.advance(400);
    const { json } = await ask('GET', url);
    if (/Succeeded|Failed/.test(json.properties.provisioningState)) return;
    await new Promise(resolve => setTimeout(resolve, 10));
  }
  throw new Error(`${url} did not settle`);
}

/** What a GET, a PATCH and the like are about: the group that the example answers, or any with that container. */
async function putBefore(
  wire: Wire,
  url: string,
  parameters: Record<string, string>,
  expected: { value?: GroupBody[] } & GroupBody,
): Promise<void> {
  const answered: GroupBody | undefined =
    expected?.value?.[0] ?? (expected?.properties ? expected : undefined);
  const simple = {
    location: 'westus',
    properties: {
      osType: 'Linux',
      containers: [
        {
          name: parameters.containerName ?? 'demo1',
          properties: { image: 'nginx', resources: { requests: { cpu: 1, memoryInGB: 1 } } },
        },
      ],
    },
  };
  const body: GroupBody = structuredClone(answered ?? simple);
  delete body.tags;
  for (const credential of body.properties?.imageRegistryCredentials ?? [])
    credential.password = 'a-password';
  const place = new URL(url);
  const name = parameters.containerGroupName ?? 'demo1';
  const [home] = place.pathname.split('/Microsoft.ContainerInstance/');
  const group = `${arm}${home}/Microsoft.ContainerInstance/containerGroups/${name}${place.search}`;
  await prepare(wire.emulator, wire.ask, place.pathname, body);
  if (body.properties?.instanceView)
    await wire.ask('POST', `${arm}/_emulator/lives`, {
      group: name,
      steps: [{ afterMs: 0, ...lifeOf(body) }],
    });
  const put = await wire.ask('PUT', group, body);
  if (put.status !== 201) throw new Error(`${put.status} ${put.text}`);
  await settle(wire, group);
  if (/\/start$/.test(place.pathname)) await wire.ask('POST', group.replace('?', '/stop?'));
}

for (const tier of tiers)
  t.test(`recorded exchanges, in tier ${tier}`, async t => {
    const fresh = await wiresTo(t, tier);
    let all = 0;
    let replayed = 0;
    for (const file of [...given, ...ours]) {
      // A standby pool's profile is presumed in tier simulated and does not exist otherwise.
      if (tier === 'registry' && /standbypool/.test(file)) continue;
      const { exchanges, host }: { exchanges: Exchange[]; host: string } = read(file);
      const faults = await replay(await fresh(), exchanges, host);
      for (const [index, each] of faults.entries())
        t.same(each, [], `${file} ${exchanges[index]?.method} ${index}`);
      all += faults.length;
      replayed += faults.filter(each => each.length === 0).length;
    }
    t.comment(`recorded exchanges ${replayed}/${all} in tier ${tier}`);
  });

/** The recorder replaced the id of a linked subscription too: here it is another one again. */
const foreign = '11111111-1111-1111-1111-111111111111';
const unmask = (body: GroupBody | null, status: number): GroupBody | null =>
  status === 403 && body
    ? JSON.parse(JSON.stringify(body).replaceAll('00000000-0000-0000-0000-000000000000', foreign))
    : body;

async function replay(wire: Wire, exchanges: Exchange[], host: string): Promise<string[][]> {
  const { emulator, ask } = wire;
  const operations = new Map<string, string>();
  const faults: string[][] = [];
  for (const [index, exchange] of exchanges.entries()) {
    const { method, path, query, status, headers, responseBody } = exchange;
    emulator.clock.advance(index === 0 ? 0 : gap(exchanges[index - 1], exchange));
    const sent = unmask(exchange.requestBody, status);
    if (method === 'PUT' && sent) {
      if (status !== 403) await prepare(emulator, ask, path, sent);
      else await prepare(emulator, ask, path, {});
      if (status === 201) await ask('POST', `${arm}/_emulator/lives`, lifeRecorded(exchanges, index));
    }
    // The pull after a restart really happens.
    if (path.endsWith('/stop'))
      await settle(wire, `${arm}${path.slice(0, -5)}?${new URLSearchParams(query)}`);
    const url = operations.get(path) ?? `https://${host}${path}?${new URLSearchParams(query)}`;
    const times = exchange.repeated ?? 1;
    const answers: Answer[] = [];
    for (let turn = 0; turn < times; turn += 1) answers.push(await ask(method, url, sent ?? undefined));
    const [answer] = answers;
    const operation = headers['azure-asyncoperation'];
    if (operation)
      operations.set(new URL(operation).pathname, String(answer?.headers['azure-asyncoperation']));
    faults.push(
      answers.flatMap(each => [
        ...(each.status === status ? [] : [`${each.status}, not ${status}: ${each.text.slice(0, 300)}`]),
        ...headersApart(each, headers, host),
        ...membersApart(each.json, responseBody, recordingDifferences),
        ...valuesApart(each.json, responseBody, sent ?? {}),
        ...wordsApart(each.json, responseBody),
        ...secretsIn(each, sent),
      ]),
    );
  }
  return faults;
}

/** Where the time is not trustworthy, half a minute. */
function gap(before: Exchange | undefined, { at }: Exchange): number {
  return at && before?.at ? Date.parse(at) - Date.parse(before.at) : 30_000;
}

function headersApart(answer: Answer, recorded: Record<string, string>, host: string): string[] {
  const missing = Object.keys(recorded).filter(name => answer.headers[name] === undefined);
  const operation = answer.headers['azure-asyncoperation'];
  return [
    ...missing.map(name => `header ${name} is missing`),
    ...(answer.headers['content-type'] === recorded['content-type'] ? [] : ['another content-type']),
    ...(answer.headers.location === undefined ? [] : ['header location should not be there']),
    ...((operation === undefined) === (recorded['azure-asyncoperation'] === undefined)
      ? []
      : ['azure-asyncoperation']),
    ...(operation && !isOperation(String(operation), host)
      ? [`the address of the operation is ${String(operation).slice(0, 200)}`]
      : []),
  ];
}

function isOperation(address: string, host: string): boolean {
  const { hostname, pathname, searchParams } = new URL(address);
  const path = /\/providers\/Microsoft\.ContainerInstance\/locations\/\w+\/operations\/[0-9a-f-]{36}$/;
  return hostname === host && path.test(pathname) && searchParams.get('api-version') === '2018-06-01';
}

/** Words of states, and codes of errors, wherever they are. */
function wordsApart(actual: unknown, expected: unknown, path = ''): string[] {
  if (typeof expected !== 'object' || expected === null) return [];
  const ours = new Map(Object.entries(typeof actual === 'object' && actual !== null ? actual : {}));
  return Object.entries(expected).flatMap(([name, value]) =>
    /^(state|provisioningState|status|code|exitCode|detailStatus|restartCount)$/.test(name) &&
    typeof value !== 'object'
      ? ours.get(name) === value
        ? []
        : [`${path}.${name} is ${ours.get(name)}, not ${value}`]
      : wordsApart(ours.get(name), value, `${path}.${name}`),
  );
}

t.test("a group's own life comes to the recorded words", async t => {
  const fresh = await wiresTo(t, 'simulated');
  for (const file of given) {
    const { exchanges }: { exchanges: Exchange[] } = read(file);
    const wire = await fresh();
    for (const { method, path, query, requestBody, status } of exchanges) {
      if (method !== 'PUT' || status !== 201 || !requestBody) continue;
      await prepare(wire.emulator, wire.ask, path, requestBody);
      const url = `${arm}${path}?${new URLSearchParams(query)}`;
      t.equal((await wire.ask('PUT', url, requestBody)).status, 201);
      await settle(wire, url);
      wire.emulator.clock.advance(30_000);
      const last = exchanges.findLast(each => each.method === 'GET' && each.path === path)?.responseBody;
      const words = (body: unknown) =>
        JSON.stringify(body).match(/"(?:state|provisioningState|exitCode)":("?\w+)/g);
      t.same(words((await wire.ask('GET', url)).json), words(last), `${file} ${path.split('/').at(-1)}`);
    }
  }
});
