import { type EmulatorOptions, startEmulator } from '../src/emulator/emulator.ts';
import { staySmall } from '../src/emulator/memory.ts';

/** The embedded Azure in a process of its own, which tells how much memory it has once the garbage is collected. */
staySmall();
const options: EmulatorOptions = {
  port: 0,
  tier: process.argv[2] === 'simulated' ? 'simulated' : 'registry',
};
const emulator = await startEmulator(options);
const { world } = emulator;
process.send?.({
  port: emulator.port,
  ca: emulator.ca,
  token: await emulator.token('administrator', 'https://management.azure.com/.default'),
  password: world.registries['myregistry.azurecr.io']?.users.myregistry?.password,
});
process.on('message', () => {
  globalThis.gc?.();
  const { heapUsed, rss } = process.memoryUsage();
  process.send?.({ heapUsed, rss });
});
process.on('disconnect', () => process.exit(0));
