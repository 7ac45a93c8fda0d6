import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { type Dispatcher, request } from 'undici';
import { systemClock } from '../src/clock.ts';
import { createDispatcher } from '../src/hosts.ts';
import { createRegistryClient, manifestTypes, type PullRequest } from '../src/registry/client.ts';
import { createRegistryMemory } from '../src/registry/memory.ts';
import { parseReference } from '../src/registry/reference.ts';
import { Secret } from '../src/secret.ts';
import { compared, median, type Row } from './row.ts';

const host = 'myregistry.azurecr.io';
const url = `https://${host}/v2/my-app/manifests/v1.0`;
const accept = manifestTypes.join(', ');
const username = 'myregistry';
const turns = 1_000;

/**
 * One image with one credential, against the same requests by undici alone: three where nothing is known, one where the
 * registry has answered before. The registry is the embedded one, in a process of its own; both take turns.
 */
export async function measurePreflight(): Promise<Row[]> {
  const registry = await startRegistry();
  using password = new Secret(registry.password);
  const entries = [{ pattern: host, hostname: '127.0.0.1', port: registry.port }];
  const dispatcher = createDispatcher({ table: { entries, closed: true }, ca: registry.ca });
  const memory = createRegistryMemory(systemClock);
  try {
    const client = createRegistryClient({ dispatcher, memory });
    const asked = pullOf(password);
    const pull = async (fresh: boolean) => {
      const found = await client.resolve({ ...asked, fresh });
      if (!found.ok) throw new Error(JSON.stringify(found.problem));
    };
    const basic = `Basic ${Buffer.from(`${username}:${registry.password}`).toString('base64')}`;
    const token = await bareCold(dispatcher, basic);
    const cold = await inTurns(
      () => pull(true),
      () => bareCold(dispatcher, basic),
    );
    const warm = await inTurns(
      () => pull(false),
      () => ask(dispatcher, 'HEAD', url, { accept, authorization: `Bearer ${token}` }),
    );
    return [
      compared('preflight of one image, cold (ms)', cold.value, cold.base, 1.3),
      compared('preflight of one image, warm (ms)', warm.value, warm.base, 1.3),
    ];
  } finally {
    memory.close();
    await dispatcher.destroy();
    registry.end();
  }
}

function pullOf(password: Secret): PullRequest {
  const parsed = parseReference(`${host}/my-app:v1.0`);
  if (!parsed.ok) throw new Error(parsed.hint);
  const platform = { os: 'linux', architecture: 'amd64' } as const;
  return { reference: parsed.reference, credential: { username, password }, platform };
}

/** What any client must ask: the challenge, the token, the manifest. Resolves with the token. */
async function bareCold(dispatcher: Dispatcher, authorization: string): Promise<string> {
  await ask(dispatcher, 'HEAD', url, { accept });
  const place = `https://${host}/oauth2/token?service=${host}&scope=repository%3Amy-app%3Apull`;
  const { access_token: token } = JSON.parse(await ask(dispatcher, 'GET', place, { authorization }));
  await ask(dispatcher, 'GET', url, { accept, authorization: `Bearer ${token}` });
  return token;
}

async function ask(
  dispatcher: Dispatcher,
  method: 'HEAD' | 'GET',
  place: string,
  headers: Record<string, string>,
): Promise<string> {
  // A connection that ends with each HEAD, as undici has it, would be compared with one that does not.
  const { body } = await request(place, { method, dispatcher, headers, reset: false });
  return body.text();
}

/** The medians, in milliseconds: one after the other, so that both meet the same machine. */
async function inTurns(
  ours: () => Promise<unknown>,
  bare: () => Promise<unknown>,
): Promise<{ value: number; base: number }> {
  const values: number[] = [];
  const bases: number[] = [];
  for (let turn = -turns / 10; turn < turns; turn += 1) {
    const [value, base] = [await timed(ours), await timed(bare)];
    // The first ones are for the compiler.
    if (turn >= 0) {
      values.push(value);
      bases.push(base);
    }
  }
  return { value: median(values), base: median(bases) };
}

async function timed(act: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await act();
  return performance.now() - begun;
}

interface Registry {
  port: number;
  ca: string;
  password: string;
  end(): void;
}

async function startRegistry(): Promise<Registry> {
  const child = fork(join(import.meta.dirname, 'emulator-process.ts'), ['registry'], {
    execArgv: ['--expose-gc'],
  });
  const [told] = (await once(child, 'message')) as [Omit<Registry, 'end'>];
  return { ...told, end: () => child.kill('SIGKILL') };
}
