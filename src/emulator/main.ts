import { type EmulatorConfig, environment, readConfig, SettingError } from './config.ts';
import { startEmulator } from './emulator.ts';
import { staySmall } from './memory.ts';

async function main(config: EmulatorConfig): Promise<void> {
  staySmall();
  const emulator = await startEmulator(config);
  console.log(`azure emulator listening on ${emulator.url}`);
  let ending = false;
  async function end(): Promise<void> {
    if (ending) process.exit(1);
    ending = true;
    await emulator.close();
    process.exit(0);
  }
  process.on('SIGTERM', end);
  if (!config.withParent) {
    process.on('SIGINT', end);
    return;
  }
  // Ctrl-C reaches the whole group: the parent still needs Azure while it ends, and closes standard input when it has,
  // also where it was killed.
  process.on('SIGINT', () => {});
  process.stdin.on('end', end).on('error', end).resume();
}

try {
  await main(readConfig(environment, process.argv.slice(2)));
} catch (error) {
  console.error(error instanceof SettingError ? error.message : error);
  process.exit(1);
}
