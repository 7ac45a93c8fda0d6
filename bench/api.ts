import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { type Scope, within } from '../proof/scope.ts';
import { createOwnedDatabase } from '../test/support/database.ts';
import { createCaller, requestFor, startProcess, temporaryDirectory } from '../test/support/service.ts';
import { seedStore } from '../test/support/store-template.ts';
import { cpuMsOf } from './cpu.ts';
import { type Ask, rateOf } from './generator.ts';
import { freshName, furnish, storeName } from './place.ts';
import { median, type Row, rounded } from './row.ts';

// Short turns, and many: both meet the same machine, whatever else it does.
const load = { callers: 8, warmMs: 0, ms: 750 };
const rounds = 14;
const warming = 4;

interface Server {
  url: string;
  child: ChildProcess;
  headers: Record<string, string>;
}

/** What Slipway itself costs a caller: against Fastify with the same schemas and the same transaction. In turns. */
export async function measureApi(): Promise<Row[]> {
  return within(async scope => {
    const { world, env } = await furnish(scope);
    // Of the two nobody works on what is accepted: what a worker takes is not the API's.
    const service = await startProcess(scope, ['src/main.ts'], { ...env, SLIPWAY_ROLE: 'api' });
    const ours = { ...service, headers: { authorization: `Bearer ${await world.token()}` } };
    const bare = await startBare(scope);
    const ids = new Map<Server, string>();
    for (const server of [ours, bare]) ids.set(server, await createOne(server));
    const posts = await inTurns(ours, bare, ({ headers }) => ({
      method: 'POST' as const,
      path: '/deployments',
      body: JSON.stringify(requestFor(freshName('web'))),
      headers: { 'content-type': 'application/json', prefer: 'respond-async', ...headers },
      expect: 202,
    }));
    const gets = await inTurns(ours, bare, server => ({
      method: 'GET' as const,
      path: `/deployments/${ids.get(server)}`,
      headers: server.headers,
      expect: 200,
    }));
    return [
      atLeast(`POST /deployments accepted per second, ${storeName}`, posts, 0.8),
      atLeast(`GET /deployments/ID per second, ${storeName}`, gets, 0.8),
    ];
  });
}

async function startBare(scope: Scope): Promise<Server> {
  const server = process.env.DATABASE_URL;
  const directory = temporaryDirectory(scope);
  if (!server) await seedStore(directory);
  const url = server ? await createOwnedDatabase(scope, server) : '';
  const child = fork(join(import.meta.dirname, 'bare-process.ts'), [url, directory]);
  scope.teardown(async () => {
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  });
  const [listening] = await once(child, 'message');
  return { url: String(listening), child, headers: {} };
}

async function createOne({ url, headers }: Server): Promise<string> {
  const { status, json, text } = await createCaller(url, null, [])('POST', '/deployments', {
    body: requestFor(freshName('one')),
    headers: { prefer: 'respond-async', ...headers },
  });
  if (status !== 202) throw new Error(`${status} ${text}`);
  return json.id;
}

interface Turn {
  /** Requests a second. */
  rate: number;
  /** Of the process that answers, for each request. */
  cpuMs: number;
}

/** One after the other, again and again. */
async function inTurns(ours: Server, bare: Server, ask: (server: Server) => Ask): Promise<[Turn, Turn][]> {
  const turns: [Turn, Turn][] = [];
  for (let round = -warming; round < rounds; round += 1) {
    const both: [Turn, Turn] = [await takeTurn(ours, ask), await takeTurn(bare, ask)];
    // The first ones are for the compiler.
    if (round >= 0) turns.push(both);
  }
  return turns;
}

async function takeTurn(server: Server, ask: (server: Server) => Ask): Promise<Turn> {
  const before = cpuMsOf(server.child.pid);
  const rate = await rateOf(server.url, load, () => ask(server));
  return { rate, cpuMs: (cpuMsOf(server.child.pid) - before) / ((rate * load.ms) / 1_000) };
}

/** The ratio is the median of those of each turn. */
function atLeast(figure: string, turns: readonly [Turn, Turn][], least: number): Row {
  const ratio = rounded(median(turns.map(([ours, bare]) => ours.rate / bare.rate)));
  const [cpuMs, bareCpuMs] = [0, 1].map(index => rounded(median(turns.map(both => both[index]?.cpuMs ?? 0))));
  const met = ratio >= least;
  const bound = `${cpuMs} ms of CPU a request against ${bareCpuMs}: sign-in, policy, limits, audit and telemetry`;
  return {
    figure,
    value: rounded(median(turns.map(([{ rate }]) => rate))),
    base: rounded(median(turns.map(([, { rate }]) => rate))),
    ratio,
    goal: `>= ${least}x`,
    met,
    ...(met ? {} : { bound }),
  };
}
