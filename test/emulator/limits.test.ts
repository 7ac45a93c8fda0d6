import t from 'tap';
import { demo } from '../../src/emulator/demo-ids.ts';
import { startTestEmulator, type TestEmulator } from '../support/emulator.ts';

const arm = 'https://management.azure.com';
const { subscriptionId, resourceGroup } = demo;
const subscription = `${arm}/subscriptions/${subscriptionId}`;
const groups = `${subscription}/resourceGroups`;
const group = `${groups}/${resourceGroup}`;
const containers = `${group}/providers/Microsoft.ContainerInstance/containerGroups`;
const version = 'api-version=2022-04-01';
const left = 'x-ms-ratelimit-remaining-subscription';

interface Asking {
  emulator: TestEmulator;
  token: string;
}

async function begin(t: Parameters<typeof startTestEmulator>[0]): Promise<Asking> {
  const emulator = await startTestEmulator(t, { tier: 'simulated' });
  return { emulator, token: await emulator.token('administrator', `${arm}/.default`) };
}

const control = (emulator: TestEmulator, path: string, method: 'PATCH' | 'POST' | 'DELETE', body?: object) =>
  emulator.ask(`${arm}/_emulator/${path}`, { method, ...(body ? { body } : {}) });

const passes = ({ emulator }: Asking, advanceMs: number) => control(emulator, 'clock', 'POST', { advanceMs });

const limit = ({ emulator }: Asking, change: object) => control(emulator, 'limits', 'PATCH', change);

const oneGroup = (cpu = 1, location = 'eastus') => ({
  location,
  properties: {
    osType: 'Linux',
    containers: [
      { name: 'app', properties: { image: 'nginx', resources: { requests: { cpu, memoryInGB: 1 } } } },
    ],
  },
});

const putGroup = ({ emulator, token }: Asking, name: string, body: object = oneGroup()) =>
  emulator.ask(`${containers}/${name}?api-version=2023-05-01`, { method: 'PUT', token, body });

type Request = (asking: Asking, index: number) => ReturnType<TestEmulator['ask']>;

/** How often something may be asked with the clock standing still, and when it may be asked again. */
interface Row {
  name: string;
  /** Azure's own number. */
  standard: number;
  at(settings: ReturnType<TestEmulator['limits']['settings']>): number;
  /** What the test counts to. */
  lowered: object;
  allowed: number;
  ask: Request;
  code: string;
  /** The answer that was refused says so, and after that it is taken. */
  retryAfter: number;
  remaining?: string;
}

const read: Request = ({ emulator, token }) => emulator.ask(`${group}?${version}`, { token });
const write: Request = ({ emulator, token }) =>
  emulator.ask(`${groups}/written?${version}`, { method: 'PUT', token, body: { location: 'eastus' } });
const remove: Request = ({ emulator, token }, index) =>
  emulator.ask(`${containers}/none-${index}?api-version=2023-05-01`, { method: 'DELETE', token });
const readSecret: Request = async ({ emulator }) =>
  emulator.ask('https://demo-vault.vault.azure.net/secrets/orders-db?api-version=7.4', {
    token: await emulator.token('administrator', 'https://vault.azure.net/.default'),
  });
const putMany: Request = (asking, index) => putGroup(asking, `many-${index}`);
const deleteMany: Request = async (asking, index) => {
  await putGroup(asking, `gone-${index}`);
  await passes(asking, 20_000);
  const { emulator, token } = asking;
  return emulator.ask(`${containers}/gone-${index}?api-version=2023-05-01`, { method: 'DELETE', token });
};

const rows: Row[] = [
  {
    name: 'reads of Resource Manager',
    standard: 250,
    at: ({ resourceManager }) => resourceManager.reads.size,
    lowered: { resourceManager: { reads: { size: 3, perSecond: 0.5 } } },
    allowed: 3,
    ask: read,
    code: 'SubscriptionRequestsThrottled',
    retryAfter: 2,
    remaining: `${left}-reads`,
  },
  {
    name: 'writes of Resource Manager',
    standard: 200,
    at: ({ resourceManager }) => resourceManager.writes.size,
    lowered: { resourceManager: { writes: { size: 3, perSecond: 0.25 } } },
    allowed: 3,
    ask: write,
    code: 'SubscriptionRequestsThrottled',
    retryAfter: 4,
    remaining: `${left}-writes`,
  },
  {
    name: 'deletes of Resource Manager',
    standard: 200,
    at: ({ resourceManager }) => resourceManager.deletes.size,
    lowered: { resourceManager: { deletes: { size: 2, perSecond: 0.1 } } },
    allowed: 2,
    ask: remove,
    code: 'SubscriptionRequestsThrottled',
    retryAfter: 10,
    remaining: `${left}-deletes`,
  },
  {
    name: 'the subscription, fifteen times as often',
    standard: 15,
    at: ({ resourceManager }) => resourceManager.subscriptionFactor,
    lowered: { resourceManager: { reads: { size: 4, perSecond: 1 }, subscriptionFactor: 0.5 } },
    allowed: 2,
    ask: read,
    code: 'SubscriptionRequestsThrottled',
    retryAfter: 2,
    remaining: `${left}-global-reads`,
  },
  {
    name: 'creations of container groups in five minutes',
    standard: 100,
    at: ({ containerGroups }) => containerGroups.creates.per5Minutes,
    lowered: { containerGroups: { creates: { per5Minutes: 2 } } },
    allowed: 2,
    ask: putMany,
    code: 'TooManyRequests',
    retryAfter: 300,
    remaining: `${left}-resource-requests-pt5m`,
  },
  {
    name: 'creations of container groups in an hour',
    standard: 300,
    at: ({ containerGroups }) => containerGroups.creates.perHour,
    lowered: { containerGroups: { creates: { perHour: 2 } } },
    allowed: 2,
    ask: putMany,
    code: 'TooManyRequests',
    retryAfter: 3_600,
    remaining: `${left}-resource-requests-pt1h`,
  },
  {
    name: 'deletions of container groups in five minutes',
    standard: 100,
    at: ({ containerGroups }) => containerGroups.deletes.per5Minutes,
    lowered: { containerGroups: { deletes: { per5Minutes: 1 } } },
    allowed: 1,
    ask: deleteMany,
    code: 'TooManyRequests',
    retryAfter: 280,
    remaining: `${left}-resource-requests-pt5m`,
  },
  {
    name: 'deletions of container groups in an hour',
    standard: 300,
    at: ({ containerGroups }) => containerGroups.deletes.perHour,
    lowered: { containerGroups: { deletes: { perHour: 1 } } },
    allowed: 1,
    ask: deleteMany,
    code: 'TooManyRequests',
    retryAfter: 3_580,
    remaining: `${left}-resource-requests-pt1h`,
  },
  {
    name: 'requests to a vault in ten seconds',
    standard: 4_000,
    at: ({ keyVault }) => keyVault.per10Seconds,
    lowered: { keyVault: { per10Seconds: 3 } },
    allowed: 3,
    ask: readSecret,
    code: 'Throttled',
    retryAfter: 10,
  },
];

/** What a region has no room for, whatever the time. */
const quotas = [
  { name: 'ContainerGroups', standard: 1_000, lowered: 2, body: oneGroup(1) },
  { name: 'StandardCores', standard: 1_000, lowered: 2, body: oneGroup(1) },
  {
    name: 'StandardSpotCores',
    standard: 100,
    lowered: 2,
    body: { ...oneGroup(), properties: { ...oneGroup().properties, priority: 'Spot' } },
  },
] as const;

let held = 0;
const all = rows.length + quotas.length;

t.test('each limit: so often, then 429 with when to come back, then again', async t => {
  const asking = await begin(t);
  // Time stands still but where the test moves it.
  await control(asking.emulator, 'clock', 'POST', { rate: 0 });
  for (const row of rows)
    await t.test(row.name, async t => {
      t.teardown(() => control(asking.emulator, 'limits', 'DELETE'));
      t.equal(row.at(asking.emulator.limits.settings()), row.standard, "Azure's number");
      await passes(asking, 3_600_000);
      t.equal((await limit(asking, row.lowered)).status, 200);
      for (let index = 0; index < row.allowed; index++) {
        const { status, headers } = await row.ask(asking, index);
        t.ok(status < 300, `${index + 1} of ${row.allowed}: ${status}`);
        if (row.remaining) t.equal(headers[row.remaining], String(row.allowed - 1 - index));
      }
      const refused = await row.ask(asking, row.allowed);
      t.equal(refused.status, 429);
      t.equal(refused.json.error.code, row.code);
      t.equal(refused.headers['retry-after'], String(row.retryAfter));
      if (row.remaining) t.equal(refused.headers[row.remaining], '0');
      await limit(asking, { retryAfter: false });
      const silent = await row.ask(asking, row.allowed);
      t.equal(silent.status, 429);
      t.equal(silent.headers['retry-after'], undefined, 'without it, on request');
      await passes(asking, row.retryAfter * 1000);
      t.ok((await row.ask(asking, row.allowed + 1)).status < 300, 'then it is taken');
      if (t.passing()) held++;
    });
});

t.test('each quota: usages tell it, and more is refused', async t => {
  for (const { name, standard, lowered, body } of quotas)
    await t.test(name, async t => {
      const asking = await begin(t);
      const { emulator, token } = asking;
      const usage = async () => {
        const url = `${subscription}/providers/Microsoft.ContainerInstance/locations/eastus/usages`;
        const { json } = await emulator.ask(`${url}?api-version=2023-05-01`, { token });
        return json.value.find((each: { name: { value: string } }) => each.name.value === name);
      };
      t.match(await usage(), { currentValue: 0, limit: standard });
      await limit(asking, { quotas: { [name]: lowered } });
      for (let index = 0; index < lowered; index++)
        t.equal((await putGroup(asking, `${name.toLowerCase()}-${index}`, body)).status, 201);
      t.match(await usage(), { currentValue: lowered, limit: lowered });
      const refused = await putGroup(asking, 'too-many', body);
      t.equal(refused.status, 400);
      t.equal(refused.json.error.code, 'ContainerGroupQuotaReached');
      t.equal(
        refused.json.error.message,
        `Resource type 'Microsoft.ContainerInstance/containerGroups' container group quota '${name}' exceeded in region 'eastus'. Limit: '${lowered}', Usage: '${lowered}' Requested: '1'.`,
      );
      t.equal(
        (await putGroup(asking, 'elsewhere', { ...body, location: 'westeurope' })).status,
        201,
        'another region has its own',
      );
      if (t.passing()) held++;
    });
});

t.test('who else asks, and where, counts apart', async t => {
  const asking = await begin(t);
  const { emulator, token } = asking;
  await control(emulator, 'clock', 'POST', { rate: 0 });
  await limit(asking, { resourceManager: { reads: { size: 2, perSecond: 1 } } });
  const ask = (url: string, as = token) => emulator.ask(`${url}?${version}`, { token: as });
  const other = await emulator.token('demo-client', `${arm}/.default`);
  await ask(group);
  await ask(group);
  t.equal((await ask(group)).status, 429);
  t.not((await ask(group, other)).status, 429, 'another principal');
  t.equal((await ask(group.replace(arm, 'https://eastus.management.azure.com'))).status, 200, 'a region');
  t.equal(
    (await ask(`${arm}/subscriptions/00000000-0000-0000-0000-00000000b0b0`)).status,
    200,
    'another subscription',
  );
  const tenant = await ask(`${arm}/tenants`);
  t.equal(tenant.status, 200, 'what belongs to the tenant');
  t.equal(tenant.headers['x-ms-ratelimit-remaining-tenant-reads'], '1');
  t.equal(
    (await emulator.ask(`${group}?${version}`)).status,
    401,
    'who is nobody spends nothing, and is not told',
  );
  await control(emulator, 'world', 'DELETE');
  t.not((await ask(group)).status, 429, 'a new world has full buckets');
});

t.test('a creation that is refused for another reason is not counted', async t => {
  const asking = await begin(t);
  await limit(asking, { containerGroups: { creates: { per5Minutes: 1 } } });
  const wrong = { ...oneGroup(), properties: { ...oneGroup().properties, osType: 'Plan9' } };
  for (const name of ['wrong-1', 'wrong-2']) t.equal((await putGroup(asking, name, wrong)).status, 400);
  t.equal((await putGroup(asking, 'right')).status, 201);
  t.equal((await putGroup(asking, 'late')).status, 429);
  const west = await putGroup(asking, 'west', oneGroup(1, 'westus'));
  t.equal(west.status, 201, 'a region has its own');
});

t.test(
  'of many creations at once as many are taken as the limit says, though images are looked at meanwhile',
  async t => {
    const emulator = await startTestEmulator(t, { tier: 'registry' });
    const asking = { emulator, token: await emulator.token('administrator', `${arm}/.default`) };
    await limit(asking, { containerGroups: { creates: { per5Minutes: 3 } } });
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, n) => putGroup(asking, `at-once-${n}`, oneGroup(0.1))),
    );
    t.same(answers.map(({ status }) => status).sort(), [...Array(3).fill(201), ...Array(9).fill(429)]);
  },
);

t.test('what is no limit is refused with a sentence, and changes nothing', async t => {
  const asking = await begin(t);
  const before = structuredClone(asking.emulator.limits.settings());
  for (const [change, sentence] of [
    [{ reads: 1 }, /there is no 'reads': it takes resourceManager, containerGroups/],
    [{ resourceManager: { reads: { sise: 1 } } }, /there is no 'resourceManager\.reads\.sise'/],
    [{ resourceManager: { reads: 5 } }, /'resourceManager\.reads' is an object/],
    [{ resourceManager: null }, /'resourceManager' is an object/],
    [{ keyVault: { per10Seconds: -1 } }, /'keyVault\.per10Seconds' is a number/],
    [{ quotas: { StandardCores: 7 }, keyVault: { per10Seconds: '9' } }, /'keyVault\.per10Seconds'/],
    [{ retryAfter: 1 }, /'retryAfter' is true or false/],
    [{ quotas: { __proto__: null, constructor: 1 } }, /there is no 'quotas\.constructor'/],
    [[], /the body is an object/],
  ] as const) {
    const { status, json } = await limit(asking, change);
    t.equal(status, 400);
    t.match(json.error.message, sentence);
  }
  t.same(asking.emulator.limits.settings(), before);
  const shown = await asking.emulator.ask(`${arm}/_emulator/limits`);
  t.same(shown.json, before);
});

t.test('all of them', async t => {
  t.equal(held, all);
  t.comment(`limits ${held}/${all}`);
});
