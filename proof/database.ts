import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../test/support/demo-world.ts';
import { type Answer, createCaller, requestFor } from '../test/support/service.ts';
import { type Ask, type Fleet, startFleet } from './fleet.ts';
import { later } from './kill-points.ts';
import { noLimits } from './limits.ts';
import { findPostgres, type OwnPostgres, startOwnPostgres } from './own-postgres.ts';
import { type Accepted, allSettled, compareRecords, faultsOf } from './records.ts';
import { freePort } from './rolling.ts';
import { createFigure, type Row } from './row.ts';
import { type Scope, within } from './scope.ts';

const modes = ['fast', 'immediate'] as const;
const downMs = 3_000;

/**
 * PostgreSQL is stopped under load, as an operator does it and as a crash does, and started again: two replicas stay up, say
 * 503 meanwhile, and go on by themselves with everything that they had acknowledged.
 */
export async function proveDatabase({ full }: { full: boolean }): Promise<Row[]> {
  const times = full ? 10 : 2;
  const figure = createFigure('PostgreSQL stopped under load and started again, two replicas', times);
  const records = createFigure('  records compared after it: none lost, doubled, orphaned', 1);
  const programs = findPostgres();
  if (programs)
    await within(scope => stopAndStart(scope, programs, times, { figure, records })).catch(error =>
      records.missed('the records', error),
    );
  else for (const each of [figure, records]) each.skipped('there is no PostgreSQL in /usr/lib/postgresql');
  return [figure.row(), records.row()];
}

function pick(callers: readonly Ask[]): Ask {
  const caller = callers[Math.floor(Math.random() * callers.length)];
  if (!caller) throw new Error('there is nobody to ask');
  return caller;
}

type Figures = Record<'figure' | 'records', ReturnType<typeof createFigure>>;

async function stopAndStart(scope: Scope, programs: string, times: number, { figure, records }: Figures) {
  const postgres = await startOwnPostgres(scope, programs, await freePort());
  const ports = [await freePort(), await freePort()];
  const started = await startFleet(scope, { DATABASE_URL: postgres.url, LOG_LEVEL: 'fatal' }, ports);
  const fleet = { ...started, databaseUrl: postgres.url };
  await fleet.world.control('PATCH', 'limits', noLimits);
  const accepted: Accepted = new Map();
  const token = await fleet.world.token();
  // Told what comes: the fleet's own callers ask again where they are refused.
  const callers = ports.map(port => createCaller(`http://127.0.0.1:${port}`, token, []));
  const ask: Ask = (...asked) => pick(callers)(...asked);
  const load = startLoad(ask, accepted);
  for (let n = 0; n < times; n += 1) {
    const mode = modes[n % modes.length] ?? 'fast';
    const faults = await stopOnce({ ask, members: fleet.members }, postgres, mode, load.changes);
    figure.reached(`stop ${n + 1}, ${mode}`, [...faults, ...load.failed.splice(0)]);
  }
  await load.end();
  await allSettled(fleet, accepted);
  records.reached('the records', [...load.failed, ...faultsOf(await compareRecords(fleet, accepted))]);
}

/** What did not hold: of those who answer, of what they say of themselves, and of how they come back. */
async function stopOnce(
  { ask, members }: Pick<Fleet, 'ask' | 'members'>,
  postgres: OwnPostgres,
  mode: (typeof modes)[number],
  changes: Record<'accepted' | 'refused', number>,
): Promise<string[]> {
  const before = { ...changes };
  await sleep(1_000);
  await postgres.stop(mode);
  await sleep(downMs);
  const live = await ask('GET', '/livez');
  const ready = await ask('GET', '/readyz');
  const refused = changes.refused - before.refused;
  await postgres.start();
  const { accepted } = changes;
  await eventually(
    'changes again',
    async () => changes.accepted > accepted || (await sleep(50, false)),
    60_000,
  );
  const ended = members.filter(({ child }) => child.exitCode !== null || child.signalCode !== null);
  return [
    ...(live.status === 200 ? [] : [`/livez answers ${live.status}`]),
    ...(ready.status === 503 && ready.json.store === false ? [] : [`/readyz answers ${ready.text}`]),
    ...(refused > 0 ? [] : ['nobody was refused meanwhile']),
    ...(ended.length === 0 ? [] : [`${ended.length} processes ended`]),
  ];
}

/** One who creates, and one who reads. Nothing else than an answer, or an honest refusal, is in order. */
function startLoad(send: Ask, accepted: Accepted) {
  const changes = { accepted: 0, refused: 0 };
  const failed: string[] = [];
  let ending = false;
  const isHonest = ({ status, headers, json }: Answer) =>
    status === 503 && json.code === 'StoreUnavailable' && headers.has('retry-after');
  async function ask(method: string, path: string, more = {}): Promise<Answer | null> {
    const answer = await send(method, path, more).catch(error => String(error.cause ?? error));
    if (typeof answer !== 'string' && (answer.status < 400 || isHonest(answer))) return answer;
    failed.push(typeof answer === 'string' ? answer : `${method} ${path}: ${answer.status} ${answer.text}`);
    return null;
  }
  const create = async () => {
    for (let n = 0; !ending; n += 1) {
      const name = `database-${n}`;
      const answer = await ask('POST', '/deployments', { body: requestFor(name), headers: later });
      if (answer?.status === 202) accepted.set(name, answer.json.id);
      changes[answer?.status === 202 ? 'accepted' : 'refused'] += 1;
      await sleep(250);
    }
  };
  const read = async () => {
    while (!ending) {
      await ask('GET', '/deployments?maxpagesize=5');
      await sleep(100);
    }
  };
  const over = Promise.all([create(), read()]);
  return {
    changes,
    failed,
    async end() {
      ending = true;
      await over;
    },
  };
}
