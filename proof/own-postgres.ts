import { execFile } from 'node:child_process';
import { chownSync, globSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { createOwnedDatabase, execute } from '../test/support/database.ts';
import type { Scope } from './scope.ts';

const run = promisify(execFile);

/** A PostgreSQL that is the proof's to stop and to start. */
export interface OwnPostgres {
  /** Of a database as a cloud gives one. */
  url: string;
  stop(mode: 'fast' | 'immediate'): Promise<void>;
  start(): Promise<void>;
}

/** Where PostgreSQL's programs are, the newest first; null where there are none. */
export function findPostgres(): string | null {
  const [newest] = globSync('/usr/lib/postgresql/*/bin/initdb').sort().reverse();
  return newest ? dirname(newest) : null;
}

/** On loopback, with data of its own; gone when the scope ends. */
export async function startOwnPostgres(scope: Scope, programs: string, port: number): Promise<OwnPostgres> {
  const directory = mkdtempSync(join(tmpdir(), 'slipway-postgres-'));
  scope.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const data = join(directory, 'data');
  const as = await otherUser(directory);
  const ask = (program: string, ...args: string[]) => {
    const [command = '', ...rest] = [...as, join(programs, program), ...args];
    return run(command, rest, { cwd: directory });
  };
  await ask('initdb', '-D', data, '-A', 'trust', '-U', 'slipway', '--no-sync');
  const options = `-p ${port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=${directory}`;
  // Its own streams stay open for as long as it runs.
  const start = () => ask('pg_ctl', '-D', data, '-w', '-l', join(directory, 'log'), '-o', options, 'start');
  const stop = (mode: 'fast' | 'immediate') => ask('pg_ctl', '-D', data, '-w', '-m', mode, 'stop');
  await start();
  scope.teardown(() => stop('immediate').catch(() => {}));
  const server = `postgres://slipway@127.0.0.1:${port}/postgres`;
  await execute(server, 'select 1');
  // Goes with its server.
  const url = await createOwnedDatabase({ teardown: () => {} }, server);
  return {
    url,
    async start() {
      await start();
    },
    async stop(mode) {
      await stop(mode);
    },
  };
}

/** PostgreSQL does not run as root: then as the user that its package made. */
async function otherUser(directory: string): Promise<string[]> {
  if (userInfo().uid !== 0) return [];
  const { stdout } = await run('id', ['-u', 'postgres']);
  chownSync(directory, Number(stdout), 0);
  return ['runuser', '-u', 'postgres', '--'];
}
