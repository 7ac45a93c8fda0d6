import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Kysely, sql } from 'kysely';
import { request } from 'undici';
import { type Scope, within } from '../proof/scope.ts';
import { createLog } from '../src/log.ts';
import { openDatabase } from '../src/store/database.ts';
import type { Tables } from '../src/store/tables.ts';
import { asWorker } from '../src/store/walls.ts';
import { type DemoWorld, eventually } from '../test/support/demo-world.ts';
import { mapToPort } from '../test/support/emulator.ts';
import { createCaller, requestFor, startProcess } from '../test/support/service.ts';
import { cpuMsOf } from './cpu.ts';
import { furnish, noLimits, storeName, takeTime } from './place.ts';
import { type Row, rounded } from './row.ts';

const count = 10_000;
const windowMs = 60_000;
/** As many as Resource Manager lets begin. */
const settledPerSecond = 10;
const settling = (settledPerSecond * windowMs) / 1_000;
/** The first look at each, soon after it was put, is before the window. */
const earlierReads = 1;
/** In a crowd each waits that long for its turn, as the service itself has it: five looks a second at all. */
const looksAfterSeconds = count / 5;
/** Of the emulator's clock: longer than all that comes before, and then let pass at once. */
const asleepMs = 1_200_000;

const subscription = '00000000-0000-0000-0000-00000000bbbb';
const groups = `/subscriptions/${subscription}/resourceGroups/my-resource-group/providers/Microsoft.ContainerInstance/containerGroups`;

/**
 * So many that Azure is at, followed by one process: for a minute in which none comes to its end, and for one in which some
 * do. One is deployed; its rows and its group are copied. Azure's limits are lifted: what it is asked is counted.
 */
export async function measureFlight(): Promise<Row[]> {
  return within(async scope => {
    const { world, env } = await furnish(scope);
    await world.control('PATCH', 'limits', noLimits);
    const arm = await openArm(scope, world);
    const endsAt = await deployFirst(scope, world, env);
    await copyRows(env);
    await copyGroups(arm, world, endsAt);

    const service = await startProcess(scope, ['src/main.ts'], env);
    const reads = countReads(scope, world);
    await sleep(10_000);
    const still = await watch(service.child.pid, reads);
    await world.control('POST', 'clock', { advanceMs: endsAt - Date.now() });
    const moving = await watch(service.child.pid, reads);
    const settled = await countSettled(env);
    return rowsOf(still, moving, settled);
  });
}

/** Deploys one that stays in creation; resolves with the moment, by the emulator's clock, at which the first may come to its end. */
async function deployFirst(
  scope: Scope,
  world: DemoWorld,
  env: Record<string, string | undefined>,
): Promise<number> {
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
  return Date.now() + asleepMs;
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
async function copyRows({ DATABASE_URL: url }: Record<string, string | undefined>): Promise<void> {
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
        'start_after', now() + random() * ${looksAfterSeconds} * interval '1 second'))).*
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
async function copyGroups(arm: Arm, world: DemoWorld, endsAt: number): Promise<void> {
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

interface Reads {
  /** Of container groups, from the first moment on: the journal keeps the last only. */
  total(): Promise<number>;
}

function countReads(scope: Scope, world: DemoWorld): Reads {
  let last = 0;
  let counted = 0;
  const count = async () => {
    for (const { seq, method, path } of await world.journal(last)) {
      last = Math.max(last, seq);
      if (method === 'GET' && path.includes('/containerGroups')) counted += 1;
    }
    return counted;
  };
  let counting = Promise.resolve(0);
  const next = () => {
    counting = counting.then(count);
    return counting;
  };
  const timer = setInterval(() => void next(), 5_000);
  scope.teardown(() => clearInterval(timer));
  return { total: next };
}

interface Watched {
  reads: number;
  /** Of a core, in percent. */
  cpu: number;
}

async function watch(pid: number | undefined, reads: Reads): Promise<Watched> {
  const [before, cpuMs, begun] = [await reads.total(), cpuMsOf(pid), performance.now()];
  await sleep(windowMs);
  const cpu = ((cpuMsOf(pid) - cpuMs) * 100) / (performance.now() - begun);
  return { reads: (await reads.total()) - before, cpu: rounded(cpu) };
}

async function countSettled({ DATABASE_URL: url }: Record<string, string | undefined>): Promise<number> {
  const database = await openDatabase({ ...(url ? { url } : {}), log: createLog({ level: 'silent' }) });
  try {
    return await asWorker(database.db, async trx => {
      const { settled } = await trx
        .selectFrom('deployments')
        .select(({ fn }) => fn.countAll<number>().as('settled'))
        .where('settled', '=', true)
        .executeTakeFirstOrThrow();
      return settled;
    });
  } finally {
    await database.close();
  }
}

function rowsOf(still: Watched, moving: Watched, settled: number): Row[] {
  const row = (figure: string, value: number, goal: string, met: boolean): Row => ({
    figure,
    value,
    base: null,
    ratio: null,
    goal,
    met,
  });
  const each = rounded(moving.reads / settled + earlierReads);
  const minute = windowMs / 1_000;
  return [
    row(
      `% of a core for ${count} in flight, none of which settles, ${storeName}`,
      still.cpu,
      '<= 20',
      still.cpu <= 20,
    ),
    row(`  reads of Resource Manager in these ${minute} s`, still.reads, 'told', true),
    row(`  % of a core where ${settled} settle in ${minute} s`, moving.cpu, 'told', true),
    row(
      `  reads of Resource Manager for each of these, those for all others included`,
      each,
      '<= 3',
      each <= 3,
    ),
  ];
}
