import closeWithGrace from 'close-with-grace';
import { type EmbeddedAzure, findEmbeddedAzure, startEmbeddedAzure } from './commands/embedded-azure.ts';
import { sayHowToUse } from './commands/how-to.ts';
import { ConfigError, environment, readConfig } from './config.ts';
import { createLog } from './log.ts';
import { startService } from './service.ts';

// Time for requests and claims in flight; a second signal does not wait.
const graceMs = 10_000;

/** The process: the embedded Azure if asked for, then the service, until a signal. */
async function main(): Promise<void> {
  await using parts = new AsyncDisposableStack();
  const embedded = process.argv.includes('--embedded') ? await startEmbeddedAzure(environment) : null;
  if (embedded) parts.defer(() => embedded.close());
  const config = readConfig({ ...environment, ...settingsOf(embedded) });
  const log = createLog({ level: config.logLevel });
  const service = await startService(config, { log });
  parts.defer(() => service.close());

  if (service.metricsUrl) console.log(`metrics on ${service.metricsUrl}`);
  if (service.url) console.log(`slipway listening on ${service.url}`);
  if (embedded && service.url) sayHowToUse(service.url);
  const running = parts.move();
  // In a terminal it says that the terminal was closed.
  const inTerminal = process.stdin.isTTY;
  if (!inTerminal) process.on('SIGHUP', () => void service.reload());
  closeWithGrace(
    { delay: graceMs, logger: false, skip: inTerminal ? [] : ['SIGHUP'] },
    async ({ err, signal }) => {
      if (err) log.fatal({ err }, 'stopping after an error that nobody met');
      else log.info({ signal }, 'stopping');
      await running.disposeAsync();
    },
  );
}

/** On a real Azure the environment says all; with an embedded one, ours or one started beside us, it says the rest. */
function settingsOf(embedded: EmbeddedAzure | null): Record<string, string | undefined> {
  if (embedded) return embedded.settings;
  return process.argv.includes('--beside-embedded') ? findEmbeddedAzure(environment) : {};
}

try {
  await main();
} catch (error) {
  const expected = error instanceof ConfigError || (error instanceof Error && 'sentence' in error);
  console.error(expected ? (error as Error).message : error);
  process.exit(1);
}
