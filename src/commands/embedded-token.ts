import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { request } from 'undici';
import { createDispatcher, parseHostTable } from '../hosts.ts';

type Env = Record<string, string | undefined>;

/**
 * A bearer token of the embedded issuer for a team's client. Runs beside the service: it opens no store, and finds the
 * embedded Azure by `EMULATOR_PORT`, else by the file that it leaves in `SLIPWAY_DATA`.
 */
export async function requestToken(env: Env, team: string): Promise<string> {
  const directory = join(resolve(env.SLIPWAY_DATA || '.slipway'), 'azure');
  const { port, ca } = find(env, directory);
  const dispatcher = createDispatcher({ table: parseHostTable(`localhost=127.0.0.1:${port}`), ca });
  try {
    const { statusCode, body } = await request(`https://localhost/_emulator/token`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ client: `${team}-client` }),
      dispatcher,
    });
    if (statusCode !== 200) {
      await body.dump();
      throw new Error(`the embedded Azure has no client for team '${team}'`);
    }
    const { token } = (await body.json()) as { token: string };
    return token;
  } finally {
    await dispatcher.close();
  }
}

function find(env: Env, directory: string): { port: number; ca: string } {
  try {
    const { port } = JSON.parse(readFileSync(join(directory, 'emulator.json'), 'utf8')) as { port: number };
    const asked = Number(env.EMULATOR_PORT || 0);
    return { port: asked > 0 ? asked : port, ca: readFileSync(join(directory, 'ca.pem'), 'utf8') };
  } catch {
    throw new Error(
      `no embedded Azure has left its address in ${directory}: run \`npm start\` first, with the same SLIPWAY_DATA`,
    );
  }
}
