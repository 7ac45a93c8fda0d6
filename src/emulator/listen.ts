import { once } from 'node:events';
import type { Server } from 'node:net';
import { SettingError } from './config.ts';

/** The port that the server listens on from now on. Throws a sentence where it cannot. */
export async function listen(server: Server, host: string, port: number): Promise<number> {
  server.listen(port, host);
  try {
    await once(server, 'listening');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'EADDRINUSE')
      throw new SettingError(
        `port ${port} of ${host} is taken: set EMULATOR_PORT to another, or to 0 for a free one.`,
      );
    throw new SettingError(
      `the embedded Azure cannot listen on HOST ${host}, EMULATOR_PORT ${port}: ${String(code)}.`,
    );
  }
  const bound = server.address();
  if (typeof bound !== 'object' || bound === null) throw new Error('the server has no address');
  return bound.port;
}
