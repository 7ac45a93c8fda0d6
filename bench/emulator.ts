import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Agent, buildConnector, request } from 'undici';
import { demo } from '../src/emulator/demo-ids.ts';
import { noLimits } from './place.ts';
import { type Row, rounded } from './row.ts';

const mebibyte = 1024 ** 2;
const arm = 'https://management.azure.com';
const groups = `/subscriptions/${demo.subscriptionId}/resourceGroups/${demo.resourceGroup}/providers/Microsoft.ContainerInstance/containerGroups`;

/** What the embedded Azure promises: quick to start, small, and in time however many groups it has. */
export async function measureEmulator(many = 10_000): Promise<Row[]> {
  return [await measureStart(), ...(await measureMemory(many)), await measureFlight(1_000)];
}

async function measureStart(): Promise<Row> {
  const begun = performance.now();
  const entry = join(import.meta.dirname, '../src/emulator/main.ts');
  const child = spawn(process.execPath, [entry], {
    env: { ...process.env, EMULATOR_PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    const [line] = await once(createInterface({ input: child.stdout }), 'line');
    const port = Number(/:(\d+)$/.exec(String(line))?.[1]);
    const agent = new Agent({ connect: { rejectUnauthorized: false } });
    const { statusCode, body } = await request(`https://127.0.0.1:${port}/metadata/endpoints`, {
      dispatcher: agent,
    });
    await body.dump();
    await agent.destroy();
    const value = Math.round(performance.now() - begun);
    return row(
      'emulator: ms from start to the first answer',
      value,
      null,
      '< 2000',
      statusCode === 200 && value < 2_000,
    );
  } finally {
    child.kill('SIGKILL');
  }
}

async function measureMemory(many: number): Promise<Row[]> {
  const emulator = await startChild('registry');
  try {
    await turnOver(emulator, 'warm', 100);
    const before = await emulator.memory();
    for (let done = 0; done < many; done += 500) await turnOver(emulator, `turn-${done}`, 500);
    const after = await emulator.memory();
    const grown = toMebibytes(after.heapUsed - before.heapUsed);
    const rss = toMebibytes(after.rss);
    return [
      row(
        `emulator: MB of heap more after ${many} groups`,
        grown,
        toMebibytes(before.heapUsed),
        '<= 20',
        grown <= 20,
      ),
      row(`emulator: MB resident after ${many} groups`, rss, toMebibytes(before.rss), '< 250', rss < 250),
    ];
  } finally {
    emulator.end();
  }
}

/** So many groups are made, run, and are deleted again. */
async function turnOver(emulator: Child, prefix: string, count: number): Promise<void> {
  const names = Array.from({ length: count }, (_, index) => `${prefix}-${index}`);
  await forEach(names, name => emulator.put(name));
  await emulator.passes(20_000);
  await forEach(names, async name => {
    while ((await emulator.look(name)).state !== 'Running') await emulator.passes(5_000);
  });
  await forEach(names, name => emulator.remove(name));
}

/** Groups that are all in flight at once, seen at each moment when something is to have happened. */
async function measureFlight(count: number): Promise<Row> {
  const emulator = await startChild('registry');
  try {
    const names = Array.from({ length: count }, (_, index) => `flight-${index}`);
    await emulator.control('clock', { rate: 0 });
    const missed = new Set<string>();
    const expect = (seen: (look: Look) => boolean) =>
      forEach(names, async name => {
        if (!seen(await emulator.look(name))) missed.add(name);
      });
    await forEach(names, name => emulator.put(name));
    await expect(({ provisioningState }) => provisioningState === 'Pending');
    await emulator.passes(1_000);
    await expect(({ provisioningState }) => provisioningState === 'Creating');
    await forEach(names, async name => {
      while (!(await emulator.look(name)).events.includes('Pulled'));
    });
    await emulator.passes(20_000);
    await expect(
      ({ provisioningState, state, events }) =>
        provisioningState === 'Succeeded' &&
        state === 'Running' &&
        ['Pulling', 'Pulled', 'Started'].every(event => events.includes(event)),
    );
    const figure = `emulator: transitions missed by ${count} groups in flight`;
    return row(figure, missed.size, null, '= 0', missed.size === 0);
  } finally {
    emulator.end();
  }
}

interface Look {
  provisioningState: string;
  state: string;
  events: string[];
}

interface Child {
  put(name: string): Promise<void>;
  look(name: string): Promise<Look>;
  remove(name: string): Promise<void>;
  control(path: string, body: object, method?: 'POST' | 'PATCH'): Promise<void>;
  passes(advanceMs: number): Promise<void>;
  memory(): Promise<{ heapUsed: number; rss: number }>;
  end(): void;
}

interface Told {
  port: number;
  ca: string;
  token: string;
  password: string;
}

async function startChild(tier: 'registry' | 'simulated'): Promise<Child> {
  const entry = join(import.meta.dirname, 'emulator-process.ts');
  const child = fork(entry, [tier], { execArgv: ['--expose-gc'], stdio: 'inherit' });
  const told: Told = await message(child);
  const agent = new Agent({ connections: 16, connect: toPort(told) });
  const ask = async (method: 'GET' | 'PUT' | 'POST' | 'PATCH' | 'DELETE', path: string, body?: object) => {
    const answer = await request(`${arm}${path}`, {
      dispatcher: agent,
      method,
      headers: { authorization: `Bearer ${told.token}`, 'content-type': 'application/json' },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    const text = await answer.body.text();
    if (answer.statusCode >= 300) throw new Error(`${method} ${path}: ${answer.statusCode} ${text}`);
    return text;
  };
  const groupUrl = (name: string) => `${groups}/${name}?api-version=2023-05-01`;
  const control: Child['control'] = async (path, body, method = 'POST') => {
    await ask(method, `/_emulator/${path}`, body);
  };
  await control('limits', noLimits, 'PATCH');
  return {
    control,
    passes: advanceMs => control('clock', { advanceMs }),
    async put(name) {
      await ask('PUT', groupUrl(name), groupOf(told.password));
    },
    look: async name => readLook(await ask('GET', groupUrl(name))),
    async remove(name) {
      await ask('DELETE', groupUrl(name));
    },
    async memory() {
      child.send('measure');
      return message(child);
    },
    end() {
      void agent.destroy();
      child.kill('SIGKILL');
    },
  };
}

const groupOf = (password: string) => ({
  location: 'eastus',
  properties: {
    osType: 'Linux',
    containers: [
      {
        name: 'app',
        properties: {
          image: 'myregistry.azurecr.io/my-app:v1.0',
          resources: { requests: { cpu: 1, memoryInGB: 1 } },
        },
      },
    ],
    imageRegistryCredentials: [{ server: 'myregistry.azurecr.io', username: 'myregistry', password }],
  },
});

function readLook(text: string): Look {
  const { properties } = JSON.parse(text);
  const containers: { properties: { instanceView?: { events?: { name: string }[] } } }[] =
    properties.containers;
  return {
    provisioningState: properties.provisioningState,
    state: properties.instanceView?.state ?? '',
    events: containers.flatMap(each => (each.properties.instanceView?.events ?? []).map(({ name }) => name)),
  };
}

async function message<T>(child: ChildProcess): Promise<T> {
  const [told] = await once(child, 'message');
  return told;
}

function toPort({ port, ca }: Told): buildConnector.connector {
  const connect = buildConnector({ ca });
  return (target, done) =>
    connect({ ...target, hostname: '127.0.0.1', port: String(port), servername: target.hostname }, done);
}

/** Sixteen at a time. */
async function forEach(names: string[], work: (name: string) => Promise<void>): Promise<void> {
  const left = names.values();
  await Promise.all(
    Array.from({ length: 16 }, async () => {
      for (const name of left) await work(name);
    }),
  );
}

const toMebibytes = (bytes: number) => Math.round((bytes / mebibyte) * 10) / 10;

function row(figure: string, value: number, base: number | null, goal: string, met: boolean): Row {
  const ratio = base === null || base === 0 ? null : rounded(value / base);
  return { figure, value, base, ratio, goal, met };
}
