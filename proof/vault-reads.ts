import { cacheVault } from '../src/azure/cached-vault.ts';
import { createAzureCredential } from '../src/azure/credential.ts';
import { createTransport } from '../src/azure/transport.ts';
import { createVault } from '../src/azure/vault.ts';
import { systemClock } from '../src/clock.ts';
import { readConfig } from '../src/config.ts';
import { createDispatcher } from '../src/hosts.ts';
import { startDemoWorld } from '../test/support/demo-world.ts';
import { createFigure, type Row, sentenceOf } from './row.ts';
import { within } from './scope.ts';

const url = 'https://demo-vault.vault.azure.net';
const many = 1_000;

/** A thousand that want one secret at the same time: the vault gives its value once, and all of them have it. */
export async function proveVaultReads(): Promise<Row[]> {
  const figure = createFigure(`${many} resolutions of one secret at once: the vault is read once`, many);
  await within(async scope => {
    const world = await startDemoWorld(scope, { search: false });
    const config = readConfig({ ...world.env, PORT: '0' });
    const dispatcher = createDispatcher({ table: config.hosts, ...(config.ca ? { ca: config.ca } : {}) });
    scope.teardown(() => dispatcher.destroy());
    const transport = createTransport({ dispatcher, vaults: () => [url] });
    const credential = createAzureCredential(config.azure, transport);
    const vault = cacheVault(createVault({ credential, transport }), { clock: systemClock });
    scope.teardown(() => vault.close());
    const resolve = async () => {
      const [newest] = await vault.properties(url, 'acr-admin');
      using secret = await vault.value(url, 'acr-admin', newest?.version ?? '');
      return secret.reveal();
    };
    const found = await Promise.all(Array.from({ length: many }, () => resolve().catch(sentenceOf)));
    // Whether the two kinds of read are told apart by the path: a list of versions has no value.
    const reads = (await world.journal()).filter(
      ({ host, path, status }) =>
        host === new URL(url).hostname && status === 200 && /^\/secrets\/acr-admin\/[0-9a-f]+/.test(path),
    );
    for (const [index, value] of found.entries())
      figure.reached(`resolution ${index + 1}`, [
        ...(value === found[0] && value !== '' ? [] : ['it has another value']),
        ...(index === 0 && reads.length !== 1 ? [`the vault was read ${reads.length} times`] : []),
      ]);
  }).catch(error => figure.missed('the resolutions', error));
  return [figure.row()];
}
