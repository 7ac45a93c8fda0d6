import { execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** Runs a command line beside an emulator that answers on port 443 under the real names. */
export interface Namespace {
  run(command: string): Promise<{ code: number; out: string; err: string }>;
  /** Where commands run; gone when the test ends. */
  directory: string;
  /** A file in the emulator's data directory, as text. */
  read(file: string): string;
}

type Teardown = { teardown(done: () => unknown): unknown };

/** Why namespaces cannot be made here, or false. */
export function noNamespaces(): string | false {
  const made = spawnSync('unshare', ['--net', '--mount', 'ip', 'link', 'set', 'lo', 'up']);
  return made.status === 0 ? false : 'network namespaces need root, util-linux and iproute2';
}

/** For clients that cannot be told where a host is: a hosts file of their own sends `names` to the emulator. */
export async function startNamespace(
  t: Teardown,
  names: string[],
  env: Record<string, string> = {},
): Promise<Namespace> {
  const directory = mkdtempSync(join(tmpdir(), 'slipway-names-'));
  const hosts = join(directory, 'hosts');
  writeFileSync(hosts, `127.0.0.1 localhost ${names.join(' ')}\n`);
  const emulator = spawn(
    'unshare',
    [
      ...['--net', '--mount', 'sh', '-c'],
      `ip link set lo up && mount --bind ${hosts} /etc/hosts && exec "$0" src/emulator/main.ts --data ${directory}/data`,
      process.execPath,
    ],
    {
      cwd: join(import.meta.dirname, '../..'),
      env: { ...process.env, EMULATOR_PORT: '443', NODE_OPTIONS: '' },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  t.teardown(async () => {
    emulator.kill('SIGKILL');
    await once(emulator, 'close');
    rmSync(directory, { recursive: true, force: true });
  });
  for await (const chunk of emulator.stdout) if (String(chunk).includes('listening')) break;

  const environment = {
    ...process.env,
    ...env,
    HOME: directory,
    REQUESTS_CA_BUNDLE: join(directory, 'data/ca.pem'),
  };
  return {
    directory,
    read: file => readFileSync(join(directory, 'data', file), 'utf8'),
    async run(command) {
      // Entering the mounts forgets where one was.
      const line = [
        '--target',
        String(emulator.pid),
        '--net',
        '--mount',
        'sh',
        '-c',
        `cd ${directory} && ${command}`,
      ];
      try {
        const { stdout, stderr } = await promisify(execFile)('nsenter', line, { env: environment });
        return { code: 0, out: stdout, err: stderr };
      } catch (error) {
        const failed = error as { code?: number; stdout?: string; stderr?: string };
        return { code: failed.code ?? 1, out: failed.stdout ?? '', err: failed.stderr ?? '' };
      }
    },
  };
}
