import { execFile } from 'node:child_process';
import { chmodSync, existsSync, globSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Scope } from '../proof/scope.ts';

const run = promisify(execFile);
const oldestMajor = 15;

/** A PostgreSQL server: that of `DATABASE_URL`, else one made here of what Debian has; null where there is neither. */
export async function findServer(scope: Scope): Promise<string | null> {
  if (process.env.DATABASE_URL) return process.env.DATABASE_URL;
  const programs = newestPrograms();
  return programs ? startServer(scope, programs) : null;
}

/** The directory of the newest server's programs. */
function newestPrograms(): string | null {
  const majors = globSync('/usr/lib/postgresql/*/bin/postgres')
    .map(path => Number(path.split('/')[4]))
    .filter(major => major >= oldestMajor)
    .sort((one, other) => other - one);
  return majors[0] === undefined ? null : `/usr/lib/postgresql/${majors[0]}/bin`;
}

/** As durable as it comes. Gone, with its data, when the work ends. */
async function startServer(scope: Scope, programs: string): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'slipway-bench-'));
  const data = join(directory, 'data');
  // It refuses to run as root.
  const isRoot = process.getuid?.() === 0;
  const call = (program: string, ...args: string[]) => {
    const path = join(programs, program);
    return isRoot ? run('runuser', ['-u', 'postgres', '--', path, ...args]) : run(path, args);
  };
  if (isRoot) await run('chown', ['postgres', directory]);
  chmodSync(directory, 0o755);
  scope.teardown(() => rmSync(directory, { recursive: true, force: true }));
  await call('initdb', '-D', data, '-A', 'trust', '-U', 'slipway');
  const port = await freePort();
  scope.teardown(async () => {
    if (existsSync(join(data, 'postmaster.pid'))) await call('pg_ctl', '-D', data, '-m', 'immediate', 'stop');
  });
  const settings = `-p ${port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=${directory} -c max_connections=200`;
  await call('pg_ctl', '-D', data, '-w', '-l', join(directory, 'log'), '-o', settings, 'start');
  return `postgres://slipway@127.0.0.1:${port}/postgres`;
}

async function freePort(): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  const server = createServer().listen(0, '127.0.0.1', () => {
    const address = server.address();
    server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
  });
  return promise;
}
