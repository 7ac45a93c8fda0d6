import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { testDatabaseUrl } from '../support/database.ts';
import { startDemoWorld } from '../support/demo-world.ts';
import { createCaller, requestFor, startProcess } from '../support/service.ts';

/** The demo world with narrow limits: ten groups for team `demo`, two changes a minute for team `other`. */
const world = await startDemoWorld(t);
const policy = join(world.data, 'limits.yaml');
const embedded = readFileSync(join(import.meta.dirname, '../../src/policy/embedded.yaml'), 'utf8');
const quota = /quota: \{ groups: 500,/;
writeFileSync(
  policy,
  embedded
    .replace(quota, 'quota: { groups: 10,')
    .replace(quota, 'rate: { requestsPerMinute: 1000, changesPerMinute: 2 }\n    $&'),
);
const env = { ...world.env, ...(await testDatabaseUrl(t)), SLIPWAY_POLICY: policy };
const service = await startProcess(t, ['src/main.ts'], env);
const ask = createCaller(service.url, await world.token());
const asOther = createCaller(service.url, await world.token('other'));
const deploy = (name: string) =>
  ask('POST', '/deployments', { body: requestFor(name), headers: { prefer: 'respond-async' } });

t.test('of two hundred POSTs at once ten are accepted, and the others are told the quota', async t => {
  const answers = await Promise.all(Array.from({ length: 200 }, (_, n) => deploy(`crowd-${n}`)));
  const accepted = answers.filter(({ status }) => status === 202);
  const refused = answers.filter(({ status }) => status === 422);
  t.equal(accepted.length, 10);
  t.equal(refused.length, 190);
  for (const { json } of refused)
    t.match(json, { code: 'TeamQuotaExceeded', detail: /^Team 'demo' may have 10 groups and has 10/ });
  const { json } = await ask('GET', '/deployments');
  t.same(
    new Set(json.value.map(({ id }: { id: string }) => id)),
    new Set(accepted.map(({ json }) => json.id)),
    'who was refused left no record',
  );
});

t.test("a team's rate is told with every answer, and kept", async t => {
  const change = () => asOther('POST', '/deployments', { body: { name: 'limited' } });
  for (const left of [1, 0]) {
    const { status, headers } = await change();
    t.equal(status, 400, 'what is refused for another reason counts');
    t.equal(headers.get('ratelimit-policy'), '"team-requests";q=1000;w=60, "team-changes";q=2;w=60');
    t.match(
      headers.get('ratelimit'),
      new RegExp(`^"team-requests";r=99\\d;t=\\d+, "team-changes";r=${left};t=\\d+$`),
    );
  }
  const { status, headers, json } = await change();
  t.match(
    { status, json },
    { status: 429, json: { code: 'RateLimited', 'violated-policies': ['team-changes'] } },
  );
  t.match(headers.get('retry-after'), /^[1-9]\d?$/);
  const read = await asOther('GET', '/deployments');
  t.match(read, { status: 200 }, 'reading goes on');
  t.match(read.headers.get('ratelimit'), /^"team-requests";r=99\d;t=\d+$/);
  const unlimited = await ask('GET', '/me');
  t.equal(unlimited.headers.get('ratelimit'), null, 'a team without a rate has none');
});
