import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Kysely, sql } from 'kysely';
import { request } from 'undici';
import type { Scope } from '../proof/scope.ts';
import { createLog } from '../src/log.ts';
import { openDatabase } from '../src/store/database.ts';
import type { Tables } from '../src/store/tables.ts';
import { asWorker } from '../src/store/walls.ts';
import { type DemoWorld, eventually } from '../test/support/demo-world.ts';
import { mapToPort } from '../test/support/emulator.ts';
import { createCaller, requestFor, startProcess } from '../test/support/service.ts';
import { takeTime } from './place.ts';

/** Deployments that Azure is at. */
export interface Crowd {
  count: number;
  /** So many of them come to their end, one after another. */
  settling: number;
  settledPerSecond: number;
}

type Env = Record<string, string | undefined>;

/** In a crowd each waits so long for its look, as the service itself has it: five a second at all. */
const looksPerSecond = 5;
/** Of the emulator's clock: longer than all that comes before. */
const asleepMs = 1_200_000;

const subscription = '00000000-0000-0000-0000-00000000bbbb';
const groups = `/subscriptions/${subscription}/resourceGroups/my-resource-group/providers/Microsoft.ContainerInstance/containerGroups`;

/**
 * One is deployed; its rows and its group are copied. Resolves with the moment, by the emulator's clock, at which the first
 * comes to its end.
 */
export async function putInFlight(scope: Scope, world: DemoWorld, env: Env, crowd: Crowd): Promise<number> {
  await deployFirst(scope, world, env);
  const endsAt = Date.now() + asleepMs;
  await copyGroups(await openArm(scope, world), world, endsAt, crowd);
  // Last: from then on their looks come due.
  await copyRows(env, crowd);
  return endsAt;
}

/** Deploys one that stays in creation. */
async function deployFirst(scope: Scope, world: DemoWorld, env: Env): Promise<void> {
  await world.control('POST', 'lives', lifeOf(nameOf(0), asleepMs * 100));
  const service = await startProcess(scope, ['src/main.ts'], env);
  const ask = createCaller(service.url, await world.token(), []);
  const { json, text } = await ask('POST', '/deployments', {
    body: requestFor(nameOf(0)),
    headers: { prefer: 'respond-async' },
  });
  await eventually(`the first to be followed: ${text}`, async () => {
    const { json: seen } = await ask('GET', `/deployments/${json.id}`);
    return seen.containerGroup !== null && seen.status === 'Provisioning';
  });
  await service.stop();
}

const nameOf = (n: number) => `flight-${n}`;
const idOf = (n: number) => `01900000-0000-7000-8000-${n.toString(16).padStart(12, '0')}`;

/** In creation until then. */
const lifeOf = (group: string, runningAfterMs: number) => ({
  group,
  pull: false,
  steps: [
    { afterMs: 0, provisioningState: 'Creating', state: 'Pending' },
    {
      afterMs: runningAfterMs,
      provisioningState: 'Succeeded',
      state: 'Running',
      containers: [{ name: 'app', currentState: { state: 'Running' } }],
    },
  ],
});

/** Rows of all tables that one in flight has, each with an id of its own. */
async function copyRows({ DATABASE_URL: url }: Env, { count }: Crowd): Promise<void> {
  if (!url) throw new Error('they are copied on PostgreSQL');
  const database = await openDatabase({ url, log: createLog({ level: 'silent' }) });
  const id = (part: string) =>
    sql.raw(`cast('01900000-0000-7000-${part}-' || lpad(to_hex(n), 12, '0') as text)`);
  const numbers = sql`generate_series(1, ${count - 1}::int) n`;
  const copyAll = async (db: Kysely<Tables>) => {
    await takeTime(db);
    await sql`insert into deployments select (jsonb_populate_record(d, jsonb_build_object(
      'id', ${id('8000')}, 'name', 'flight-' || n, 'operation', ${id('9000')}))).*
      from deployments d, ${numbers}`.execute(db);
    await sql`insert into operations overriding system value select (jsonb_populate_record(o, jsonb_build_object(
      'id', ${id('9000')}, 'deployment_id', ${id('8000')}))).* from operations o, ${numbers}`.execute(db);
    await sql`insert into revisions select (jsonb_populate_record(r, jsonb_build_object(
      'deployment_id', ${id('8000')}, 'operation_id', ${id('9000')}))).* from revisions r, ${numbers}`.execute(
      db,
    );
  };
  try {
    await asWorker(database.db, copyAll);
    await database.db.transaction().execute(async db => {
      await takeTime(db);
      await sql`insert into pgboss.job select (jsonb_populate_record(j, jsonb_build_object(
        'id', gen_random_uuid(), 'singleton_key', ${id('8000')}, 'data', jsonb_build_object('deployment', ${id('8000')}),
        'start_after', now() + random() * ${count / looksPerSecond} * interval '1 second'))).*
        from pgboss.job j, ${numbers} where j.state = 'created' and j.singleton_key is not null`.execute(db);
    });
    await sql`analyze`.execute(database.db);
  } finally {
    await database.close();
  }
}

type Arm = (path: string, body: object) => Promise<void>;

/** Resource Manager as its administrator asks it. */
async function openArm(scope: Scope, world: DemoWorld): Promise<Arm> {
  const ca = readFileSync(join(world.data, 'azure', 'ca.pem'), 'utf8');
  const dispatcher = mapToPort(Number(new URL(world.azure.url).port), ca);
  scope.teardown(() => dispatcher.destroy());
  const { token } = (await world.control('POST', 'token', {
    client: '00000000-0000-0000-0000-00000000cccc',
    scope: 'https://management.azure.com/.default',
  })) as { token: string };
  return async (path, body) => {
    const answer = await request(`https://management.azure.com${path}?api-version=2023-05-01`, {
      method: 'PUT',
      dispatcher,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    const text = await answer.body.text();
    if (answer.statusCode >= 300) throw new Error(`PUT ${path}: ${answer.statusCode} ${text}`);
  };
}

/** Some come to their end one after another from then on, the others much later. */
async function copyGroups(arm: Arm, world: DemoWorld, endsAt: number, crowd: Crowd): Promise<void> {
  const { count, settling, settledPerSecond } = crowd;
  const numbers = Array.from({ length: count - 1 }, (_, n) => n + 1).values();
  const work = async () => {
    for (const n of numbers) {
      const at = n <= settling ? endsAt + (n * 1_000) / settledPerSecond : endsAt + asleepMs * 100;
      await world.control('POST', 'lives', lifeOf(nameOf(n), at - Date.now()));
      await arm(`${groups}/${nameOf(n)}`, groupOf(n));
    }
  };
  await Promise.all(Array.from({ length: 16 }, work));
}

const groupOf = (n: number) => ({
  location: 'eastus',
  tags: { 'slipway-deployment': idOf(n), 'slipway-revision': '1' },
  properties: {
    osType: 'Linux',
    containers: [
      {
        name: 'app',
        properties: {
          image: 'myregistry.azurecr.io/my-app:v1.0',
          resources: { requests: { cpu: 1, memoryInGB: 1.5 } },
        },
      },
    ],
  },
});
