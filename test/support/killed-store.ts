import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { DatabaseOptions } from '../../src/store/database.ts';

type Teardown = { teardown(done: () => unknown): unknown };

/** Runs a process that works on a store and kills it with -9 once it has acknowledged so many deployments. */
export async function killWhileAccepting(
  t: Teardown,
  { url, directory = '' }: DatabaseOptions,
  enough: number,
): Promise<{ held: string; accepted: string[] }> {
  const where = url ? ['postgres', url] : ['embedded', directory];
  const child = spawn(process.execPath, [join(import.meta.dirname, 'store-child.ts'), ...where], {
    env: { ...process.env, NODE_OPTIONS: undefined },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  const exited = once(child, 'exit');
  let held = '';
  const accepted: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    const [word, id = ''] = line.split(' ');
    if (word === 'holding') held = id;
    // What it said before it died counts too: the lines go on until the pipe is empty.
    if (word === 'accepted' && accepted.push(id) === enough) child.kill('SIGKILL');
  }
  const [, signal] = await exited;
  if (signal !== 'SIGKILL')
    throw new Error(`the process ended by itself, after ${accepted.length} deployments`);
  return { held, accepted };
}
