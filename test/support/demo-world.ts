import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Dispatcher, request } from 'undici';
import { findCanaries, readCanaries } from '../../src/commands/canaries.ts';
import type { Call } from '../../src/commands/conversation.ts';
import { findEmbeddedAzure } from '../../src/commands/embedded-azure.ts';
import { requestToken } from '../../src/commands/embedded-token.ts';
import { createDispatcher, parseHostTable } from '../../src/hosts.ts';
import { everythingHeard, type Started, startProcess, temporaryDirectory } from './service.ts';
import { seedStore } from './store-template.ts';

type Teardown = { teardown(done: () => unknown): unknown };

export type JournalEntry = Call;

/** An embedded Azure in a process of its own, as the service meets it, and its control surface. */
export interface DemoWorld {
  data: string;
  azure: Started;
  /** The environment of a service that uses it. */
  env: Record<string, string | undefined>;
  token(team?: string): Promise<string>;
  control(method: 'GET' | 'POST' | 'PATCH' | 'DELETE', path: string, body?: object): Promise<unknown>;
  journal(since?: number): Promise<JournalEntry[]>;
  /** The same for who says that nothing was asked: without the looks at what runs, and the sign-ins for them. */
  calls(since: number): Promise<JournalEntry[]>;
  /** Asks Resource Manager as the emulator's administrator; resolves with the status. */
  asAdministrator(method: 'PUT' | 'DELETE', path: string, body?: object): Promise<number>;
  /** What Resource Manager tells the administrator. */
  readArm(path: string): Promise<unknown>;
  /** Asks a host of Azure's as code in it would; resolves with the status. */
  knock(host: string, path: string, headers: Record<string, string>): Promise<number>;
}

/**
 * When the test ends, everything that was answered and said in its file is searched for the world's secrets, unless the
 * test searches by itself.
 */
export async function startDemoWorld(
  t: Teardown,
  {
    search = true,
    env: azureEnv = {},
    strangers = [],
  }: {
    search?: boolean;
    env?: Record<string, string>;
    /** Hosts that the test asks although nobody answers there. */
    strangers?: string[];
  } = {},
): Promise<DemoWorld> {
  const data = temporaryDirectory(t);
  // A store made before is copied: making one takes seconds.
  if (!process.env.DATABASE_URL) await seedStore(data);
  const directory = join(data, 'azure');
  t.teardown(() => {
    if (search) refuseCanaries(directory);
  });
  const azure = await startProcess(t, ['src/emulator/main.ts', '--data', directory], {
    EMULATOR_PORT: '0',
    ...azureEnv,
  });
  const env: Record<string, string | undefined> = { SLIPWAY_DATA: data, PORT: '0' };
  Object.assign(env, findEmbeddedAzure(env));
  const table = parseHostTable(`localhost=127.0.0.1:${new URL(azure.url).port}`);
  const dispatcher: Dispatcher = createDispatcher({
    table,
    ca: readFileSync(join(directory, 'ca.pem'), 'utf8'),
  });
  t.teardown(() => dispatcher.destroy());

  const control: DemoWorld['control'] = async (method, path, body) => {
    const answer = await request(`https://localhost/_emulator/${path}`, {
      method,
      dispatcher,
      ...(body ? { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) } : {}),
    });
    const text = await answer.body.text();
    if (answer.statusCode >= 300) throw new Error(`${method} ${path}: ${answer.statusCode} ${text}`);
    return text ? JSON.parse(text) : null;
  };
  const journal = async (since = 0) =>
    ((await control('GET', `journal?since=${since}`)) as { value: JournalEntry[] }).value;
  // A kill takes the emulator's memory with it.
  t.teardown(async () => {
    if (azure.child.exitCode !== null || azure.child.signalCode !== null) return;
    const { value } = (await control('GET', 'unexpected')) as { value: JournalEntry[] };
    const asked = value
      .filter(({ host }) => !strangers.includes(host))
      .map(({ method, host, path }) => `${method} ${host}${path}`);
    if (asked.length > 0)
      throw new Error(`the embedded Azure was asked what it does not answer: ${asked.join(', ')}`);
  });
  const askArm = async (method: 'GET' | 'PUT' | 'DELETE', path: string, body?: object) => {
    const client = '00000000-0000-0000-0000-00000000cccc';
    const { token } = (await control('POST', 'token', {
      client,
      scope: 'https://management.azure.com/.default',
    })) as { token: string };
    return request(`https://localhost${path}`, {
      method,
      dispatcher,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
  };
  const asAdministrator: DemoWorld['asAdministrator'] = async (method, path, body) => {
    const answer = await askArm(method, path, body);
    await answer.body.dump();
    return answer.statusCode;
  };
  const knock: DemoWorld['knock'] = async (host, path, headers) => {
    const asked = { dispatcher, headers: { ...headers, host } };
    const answer = await request(`https://localhost${path}`, asked);
    await answer.body.dump();
    return answer.statusCode;
  };
  return {
    data,
    azure,
    asAdministrator,
    readArm: async path => (await askArm('GET', path)).body.json(),
    knock,
    env,
    token: (team = 'demo') => requestToken({ SLIPWAY_DATA: data }, team),
    control,
    journal,
    calls: async since => (await journal(since)).filter(entry => !isLook(entry)),
  };
}

/** What runs stays observed by reads of its groups, whatever else goes on. */
function isLook({ host, method, path }: JournalEntry): boolean {
  return /^login\./.test(host) || (method === 'GET' && /\/containerGroups[/?]/.test(path));
}

function refuseCanaries(directory: string): void {
  const shown = findCanaries(everythingHeard(), readCanaries(directory));
  if (shown.length > 0) throw new Error(`a secret of the embedded vault shows in ${shown.join(', ')}`);
}

/** Looks until `found` says yes; fails with what it waited for. */
export async function eventually<T>(
  what: string,
  look: () => Promise<T | null | undefined | false>,
  timeoutMs = 20_000,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await new Promise(done => setTimeout(done, 25));
  }
}
