import { setTimeout as sleep } from 'node:timers/promises';
import { createOwnedDatabase } from '../test/support/database.ts';
import { type DemoWorld, startDemoWorld } from '../test/support/demo-world.ts';
import { type Answer, createCaller, type Started, startProcess } from '../test/support/service.ts';
import type { Scope } from './scope.ts';

/** Read as the service reads it: where it is set the proof runs on PostgreSQL with three replicas, else embedded. */
const server = process.env.DATABASE_URL;

export const store = server ? { name: 'PostgreSQL', replicas: 3 } : { name: 'PGlite', replicas: 1 };

/** How often at most one is asked again. */
const mostTimes = 10;

export type Ask = (
  method: string,
  path: string,
  more?: { body?: unknown; headers?: Record<string, string> },
) => Promise<Answer>;

/** The service as it is run: processes of their own over one store, and the embedded Azure in another. */
export interface Fleet {
  world: DemoWorld;
  databaseUrl: string | undefined;
  members: Started[];
  /** Asks the members in turn; who says 503 has done nothing, and is asked again as he says. */
  ask: Ask;
  /** All at once where no number is given; resolves when they are gone. */
  kill(signal: NodeJS.Signals, member?: number): Promise<void>;
  /** Starts whatever was ended. */
  start(): Promise<void>;
}

/** As many replicas as the store allows; or one at each of these ports, also after it was started again. */
export async function startFleet(
  scope: Scope,
  more: Record<string, string> = {},
  ports?: readonly number[],
): Promise<Fleet> {
  // What is said here is not searched for secrets: the tests do that.
  const world = await startDemoWorld(scope, { search: false });
  const databaseUrl = server ? await createOwnedDatabase(scope, server) : undefined;
  const env = { ...world.env, DATABASE_URL: databaseUrl, LOG_LEVEL: 'warn', ...more };
  const replicas = ports?.length ?? store.replicas;
  const token = await world.token();
  const members: Started[] = [];
  const callers: Ask[] = [];
  const gone = new Set(Array.from({ length: replicas }, (_, member) => member));
  let turn = 0;
  const fleet: Fleet = {
    world,
    databaseUrl,
    members,
    async ask(...asked) {
      for (let left = mostTimes; ; left -= 1) {
        turn += 1;
        const alive = callers.filter((_, member) => !gone.has(member));
        const ask = alive[turn % alive.length];
        if (!ask) throw new Error('no replica runs');
        const answer = await ask(...asked);
        if (answer.status !== 503 || left === 0) return answer;
        await sleep(Number(answer.headers.get('retry-after')) * 1_000);
      }
    },
    async kill(signal, member) {
      const chosen = [...members.keys()].filter(each => member === undefined || each === member);
      for (const each of chosen) gone.add(each);
      await Promise.all(chosen.map(each => members[each]?.stop(signal)));
    },
    async start() {
      await Promise.all(
        [...gone].map(async member => {
          const PORT = String(ports?.[member] ?? 0);
          const started = await startProcess(scope, ['src/main.ts'], { ...env, PORT });
          members[member] = started;
          callers[member] = createCaller(started.url, token, []);
          gone.delete(member);
        }),
      );
    },
  };
  await fleet.start();
  return fleet;
}
