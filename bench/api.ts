import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { type Scope, within } from '../proof/scope.ts';
import { createOwnedDatabase } from '../test/support/database.ts';
import { createCaller, requestFor, startProcess, temporaryDirectory } from '../test/support/service.ts';
import { seedStore } from '../test/support/store-template.ts';
import { rateOf } from './generator.ts';
import { freshName, furnish, storeName } from './place.ts';
import { median, type Row, rounded } from './row.ts';

const load = { callers: 8, warmMs: 1_000, ms: 3_000 };
const rounds = 3;

/** What Slipway itself costs a caller: against Fastify with the same schemas and the same transaction. In turns. */
export async function measureApi(): Promise<Row[]> {
  return within(async scope => {
    const { world, env } = await furnish(scope);
    // Of the two nobody works on what is accepted: what a worker takes is not the API's.
    const service = await startProcess(scope, ['src/main.ts'], { ...env, SLIPWAY_ROLE: 'api' });
    const bare = await startBare(scope);
    const token = await world.token();
    const authorization = `Bearer ${token}`;
    const post = (headers: Record<string, string>) => () => ({
      method: 'POST' as const,
      path: '/deployments',
      body: JSON.stringify(requestFor(freshName('web'))),
      headers: { 'content-type': 'application/json', prefer: 'respond-async', ...headers },
      expect: 202,
    });
    const posts = await inTurns(
      () => rateOf(service.url, load, post({ authorization })),
      () => rateOf(bare, load, post({})),
    );
    const [ours, theirs] = await Promise.all([createOne(service.url, token), createOne(bare, null)]);
    const get = (id: string, headers: Record<string, string>) => () => ({
      method: 'GET' as const,
      path: `/deployments/${id}`,
      headers,
      expect: 200,
    });
    const gets = await inTurns(
      () => rateOf(service.url, load, get(ours, { authorization })),
      () => rateOf(bare, load, get(theirs, {})),
    );
    return [
      atLeast(`POST /deployments accepted per second, ${storeName}`, posts, 0.8),
      atLeast(`GET /deployments/ID per second, ${storeName}`, gets, 0.8),
    ];
  });
}

async function startBare(scope: Scope): Promise<string> {
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
  return String(listening);
}

async function createOne(url: string, token: string | null): Promise<string> {
  const headers = { prefer: 'respond-async' };
  const { status, json, text } = await createCaller(url, token, [])('POST', '/deployments', {
    body: requestFor(freshName('one')),
    headers,
  });
  if (status !== 202) throw new Error(`${status} ${text}`);
  return json.id;
}

/** One after the other, so that both meet the same machine; the medians. */
async function inTurns(ours: () => Promise<number>, bare: () => Promise<number>) {
  const values: number[] = [];
  const bases: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    values.push(await ours());
    bases.push(await bare());
  }
  return { value: median(values), base: median(bases) };
}

function atLeast(figure: string, { value, base }: { value: number; base: number }, least: number): Row {
  const ratio = rounded(value / base);
  const met = ratio >= least;
  const more = rounded(1_000 / value - 1_000 / base);
  const bound = `${more} ms a request more, for sign-in, policy, limits, audit and telemetry`;
  return {
    figure,
    value: rounded(value),
    base: rounded(base),
    ratio,
    goal: `>= ${least}x`,
    met,
    ...(met ? {} : { bound }),
  };
}
