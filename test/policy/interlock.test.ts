import { join } from 'node:path';
import t from 'tap';
import { parseHostTable } from '../../src/hosts.ts';
import { findInterlockFault } from '../../src/policy/interlock.ts';
import { loadPolicy } from '../../src/policy/load.ts';

const { policy: embedded } = loadPolicy(join(import.meta.dirname, '../../src/policy/embedded.yaml'));
const realTenant = '9f3c2b1a-1111-4222-8333-444455556666';
const real = structuredClone(embedded);
for (const issuer of real.issuers) issuer.issuer = `https://login.microsoftonline.com/${realTenant}/v2.0`;
const withGithub = structuredClone(embedded);
withGithub.issuers.push({
  name: 'github',
  issuer: 'https://token.actions.githubusercontent.com',
  audience: 'https://deploy.example',
});

const emulator = '127.0.0.1:8443';
const azure = [
  'management.azure.com',
  'login.microsoftonline.com',
  '*.vault.azure.net',
  'myregistry.azurecr.io',
];
const led = (hosts: string[], to = emulator) => hosts.map(host => `${host}=${to}`).join(',');
const without = (host: string) => led(azure.filter(name => name !== host));
const look = (policy: typeof embedded, table: string) => findInterlockFault(policy, parseHostTable(table));

t.test("an emulator's issuer goes with an emulator's Azure, and the real ones with each other", async t => {
  t.equal(look(embedded, led(azure)), null);
  t.equal(look(embedded, `${led(azure)},*=none`), null);
  t.equal(look(embedded, led(azure, 'azure:8443')), null, 'on another machine');
  t.equal(look(embedded, `${led(azure)},ghcr.io=10.0.0.9:5000`), null, 'a mirror is no Azure');
  t.equal(look(real, ''), null);
  t.equal(look(real, 'ghcr.io=10.0.0.9:5000'), null);
  t.equal(
    look(withGithub, `${led(azure)},*=none`),
    null,
    'an issuer that does not exist there signs nothing',
  );
});

t.test('everything between is refused with a sentence', async t => {
  // emulator-issuer-real-host
  t.match(
    look(embedded, ''),
    /issuer 'embedded' is an emulator's, and login\.microsoftonline\.com is the real one/,
  );
  t.match(
    look(embedded, led(['login.microsoftonline.com'], '203.0.113.5:443')),
    /not management\.azure\.com/,
  );
  for (const host of azure) {
    const named = host.replace('*', 'demo-vault');
    const fault = look(embedded, without(host));
    t.match(fault, `and not ${named}:`, `all but ${host}`);
    t.match(look(real, led([host])), /^SLIPWAY_HOSTS leads .* and not /, `the real one, but ${host}`);
  }
  t.match(
    look(withGithub, led(azure)),
    /not token\.actions\.githubusercontent\.com/,
    'a real issuer commands nothing here',
  );
  t.match(
    look(embedded, `${without('management.azure.com')},management.azure.com=10.0.0.9:443`),
    /leads login\.microsoftonline\.com to 127\.0\.0\.1 and management\.azure\.com to 10\.0\.0\.9/,
  );
});
