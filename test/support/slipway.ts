import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

/** Runs one command of `slipway` to its end, as it is typed, on no other settings than the test's own. */
export async function slipway(args: string[], env: Record<string, string | undefined> = {}) {
  const root = join(import.meta.dirname, '../..');
  const child = spawn(process.execPath, [join(root, 'bin/slipway.js'), ...args], {
    cwd: root,
    env: { ...process.env, NODE_OPTIONS: undefined, DATABASE_URL: undefined, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [out, err, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ]);
  return { code, out, err };
}
