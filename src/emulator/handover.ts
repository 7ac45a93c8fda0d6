import { join } from 'node:path';
import { demo } from './demo-ids.ts';
import { writeAtomically } from './files.ts';

const hourMs = 3_600_000;

/**
 * Leaves in the data directory what others need to use this emulator: its address and certificate, and the token with
 * which Slipway's own identity signs in (`AZURE_FEDERATED_TOKEN_FILE`), renewed every hour.
 */
export async function keepHandover(
  dataDir: string,
  emulator: { port: number; url: string; hosts: string; slipwayAssertion(): Promise<string> },
): Promise<{ close(): void }> {
  const { port, url, hosts } = emulator;
  const { tenantId, subscriptionId, slipwayClientId } = demo;
  const told = { port, url, hosts, caFile: 'ca.pem', tenantId, subscriptionId, slipwayClientId };
  const renew = async () =>
    writeAtomically(join(dataDir, 'slipway-identity.jwt'), await emulator.slipwayAssertion(), 0o600);
  await renew();
  await writeAtomically(join(dataDir, 'emulator.json'), `${JSON.stringify(told, null, 2)}\n`);
  const timer = setInterval(
    () => renew().catch(error => console.error('azure emulator: slipway-identity.jwt:', error)),
    hourMs,
  ).unref();
  return { close: () => clearInterval(timer) };
}
