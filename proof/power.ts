import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createLog } from '../src/log.ts';
import { type LoggedHead, verifyAudit } from '../src/store/audit-verify.ts';
import { openDatabase } from '../src/store/database.ts';
import { asWorker } from '../src/store/walls.ts';
import { eventually, startDemoWorld } from '../test/support/demo-world.ts';
import { createCaller, requestFor, type Started, startProcess } from '../test/support/service.ts';
import { noLimits } from './limits.ts';
import { createLoopDevice, type LoopDevice } from './loop-device.ts';
import { createFigure, type Row, sentenceOf, tell } from './row.ts';
import { type Scope, within } from './scope.ts';

/** What a caller was told, and so must be there: by the deployment's id. */
type Acknowledged = Map<string, { request: string; lastEvent: number }>;

const writers = 8;
/** Deployments that are made before the power goes again. */
const least = 20;

/**
 * The power goes while callers ask: the embedded store is on a file system of its own, and what its disk has at that moment
 * is opened. It always opens; whatever was answered is there, with its events, and the audit is whole up to the log's heads.
 */
export async function provePower({ full }: { full: boolean }): Promise<Row[]> {
  const times = full ? 10 : 2;
  const started = createFigure('power loss during the first start, PGlite: it starts again', 1);
  const pulled = createFigure(
    'power loss under load, PGlite: it opens, and nothing that was answered is lost',
    times,
  );
  await within(async scope => {
    const disk = createDisk(scope);
    if (disk instanceof Error) {
      for (const figure of [started, pulled])
        figure.skipped(`no loop device can be mounted here: ${disk.message}`);
      return;
    }
    const world = await startDemoWorld(scope, { search: false });
    await world.control('PATCH', 'limits', noLimits);
    const env = { ...world.env, DATABASE_URL: undefined, SLIPWAY_DATA: disk.directory };
    const starting = startProcess(scope, ['src/main.ts'], env);
    started.reached('the first start', await pullWhileItIsMade(disk));
    const service = await starting;
    const acknowledged: Acknowledged = new Map();
    const ending = new AbortController();
    const load = keepCreating(service.url, await world.token(), acknowledged, ending.signal);
    for (let n = 1; n <= times; n += 1) {
      await eventually('some more', async () => acknowledged.size >= n * least, 60_000);
      await sleep(Math.random() * 1_000);
      pulled.reached(`loss ${n}`, await pull(disk, service, acknowledged));
    }
    ending.abort();
    await service.stop('SIGKILL');
    await load;
  }).catch(error => pulled.missed('its end', error));
  return [started.row(), pulled.row()];
}

function createDisk(scope: Scope): LoopDevice | Error {
  try {
    return createLoopDevice(scope);
  } catch (error) {
    return new Error(sentenceOf(error).replaceAll(/\s+/g, ' '));
  }
}

/** At any moment of the seconds in which the files of the store are made. */
async function pullWhileItIsMade(disk: LoopDevice): Promise<string[]> {
  await eventually('the first file', async () => existsSync(join(disk.directory, 'store.tmp')), 60_000);
  await sleep(Math.random() * 2_000);
  return await within(async scope => {
    const { directory } = disk.copy(scope);
    return await open(directory, async () => []);
  });
}

async function pull(disk: LoopDevice, service: Started, acknowledged: Acknowledged): Promise<string[]> {
  return await within(async scope => {
    await stand(service);
    const told = structuredClone(acknowledged);
    const heads = headsIn(service.said());
    const copied = disk.copy(scope);
    service.child.kill('SIGCONT');
    tell(`power: ${told.size} deployments and ${heads.length} heads of the audit were told`);
    return await open(copied.directory, database => compare(database, told, heads));
  });
}

/** Once it stands still nothing is on its way to the disk that it waits for. */
async function stand({ child }: Started): Promise<void> {
  child.kill('SIGSTOP');
  const state = () => /^\d+ \(.*\) (\S)/.exec(readFileSync(`/proc/${child.pid}/stat`, 'utf8'))?.[1];
  await eventually('it to stand still', async () => state() === 'T');
}

type Database = Awaited<ReturnType<typeof openDatabase>>;

async function open(directory: string, look: (database: Database) => Promise<string[]>): Promise<string[]> {
  try {
    const database = await openDatabase({ directory, log: createLog({ level: 'silent' }) });
    try {
      return await look(database);
    } finally {
      await database.close();
    }
  } catch (error) {
    return [`it does not open: ${sentenceOf(error)}`];
  }
}

async function compare({ db }: Database, told: Acknowledged, heads: LoggedHead[]): Promise<string[]> {
  const { rows, events, audited, verdict } = await asWorker(db, async trx => ({
    rows: await trx
      .selectFrom('deployments as d')
      .innerJoin('operations as o', 'o.id', 'd.operation')
      .innerJoin('revisions as r', join => join.onRef('r.deploymentId', '=', 'd.id').on('r.number', '=', 1))
      .select(['d.id', 'd.eventSeq'])
      .execute(),
    events: await trx
      .selectFrom('events')
      .select(({ fn }) => ['deploymentId', fn.max('seq').as('last'), fn.countAll<number>().as('count')])
      .groupBy('deploymentId')
      .execute(),
    audited: await trx.selectFrom('audit').select('requestId').execute(),
    verdict: await verifyAudit(trx, heads),
  }));
  const known = new Map(rows.map(({ id, eventSeq }) => [id, eventSeq]));
  const history = new Map(events.map(({ deploymentId, last, count }) => [deploymentId, { last, count }]));
  const requests = new Set(audited.map(({ requestId }) => requestId));
  const lost = [...told].flatMap(([id, { request, lastEvent }]) => {
    const { last = 0, count = 0 } = history.get(id) ?? {};
    return [
      ...(known.has(id) ? [] : [`${id} is lost`]),
      ...(last >= lastEvent ? [] : [`event ${lastEvent} of ${id} is lost: there are ${last}`]),
      ...(last === known.get(id) && last === count ? [] : [`the history of ${id} is broken`]),
      ...(requests.has(request) ? [] : [`the audit of ${id} is lost`]),
    ];
  });
  return [...lost, ...verdict.faults];
}

/** Creates, and reads the events of what was created: what an answer has shown is told as well. */
async function keepCreating(
  url: string,
  token: string,
  acknowledged: Acknowledged,
  signal: AbortSignal,
): Promise<void> {
  const ask = createCaller(url, token, []);
  const headers = { prefer: 'respond-async' };
  const createOne = async (name: string) => {
    const made = await ask('POST', '/deployments', { body: requestFor(name), headers });
    if (made.status !== 202) throw new Error(`${name}: ${made.status} ${made.text}`);
    const request = made.headers.get('x-request-id') ?? '';
    acknowledged.set(made.json.id, { request, lastEvent: 0 });
    const { json } = await ask('GET', `/deployments/${made.json.id}/events`);
    acknowledged.set(made.json.id, { request, lastEvent: json.value.at(-1).seq });
  };
  const write = async (writer: number) => {
    for (let n = 0; !signal.aborted; n += 1)
      await createOne(`power-${writer}-${n}`).catch(async error => {
        // What stood still for long has let go of connections: a request may be cut short with one.
        if (!signal.aborted) tell(`power: ${sentenceOf(error)}`);
        await sleep(100);
      });
  };
  await Promise.all(Array.from({ length: writers }, (_, writer) => write(writer)));
}

function headsIn(said: string): LoggedHead[] {
  return [...said.matchAll(/^\{.*"audit":\{.*\}$/gm)].map(([line]) => JSON.parse(line).audit);
}
