import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { bind } from '../../src/policy/bind.ts';
import { loadPolicy } from '../../src/policy/load.ts';
import { temporaryDirectory } from '../support/service.ts';

const path = join(import.meta.dirname, '../../src/policy/embedded.yaml');
const embedded = loadPolicy(path);
const host = 'ghcr.io';

const bound = structuredClone(embedded);
bound.policy.bindings = [{ vault: 'demo-vault', secret: 'ghcr-pull', registry: host, username: 'robot' }];

/** Whether the secret may go to ghcr.io with these tags, where policy binds it and where it does not. */
function bindWith(tags: Record<string, string>, loaded = bound) {
  const vault = { name: 'demo-vault', url: 'https://demo-vault.vault.azure.net' };
  const planned = { host, repositories: ['myorg/a'], pointer: '/p', kind: 'secret' as const, vault };
  const properties = { version: 'v', tags, enabled: true };
  return bind(loaded, { ...planned, secretName: 'ghcr-pull' }, properties, new Date());
}

t.test('tags narrow what policy binds, and never widen it', async t => {
  const code = 'CredentialNotBoundToRegistry';
  t.match(bindWith({}), { bound: true, username: 'robot' });
  t.match(bindWith({ 'slipway-repositories': 'myorg/*' }), { bound: true });
  t.match(bindWith({ 'slipway-repositories': 'other/**' }), {
    code,
    detail: /bound to other\/\*\* of ghcr\.io/,
  });
  t.match(bindWith({ 'slipway-repositories': '' }), { code }, 'an empty list is none');
  t.match(bindWith({ 'slipway-username': 'robot' }), { bound: true });
  t.match(bindWith({ 'slipway-username': 'Robot' }), { code, detail: /one user by policy/ });
  t.match(bindWith({ 'slipway-registry': 'evil.example' }), { code, detail: /bound to evil\.example/ });
  for (const other of [
    'https://ghcr.io',
    'ghcr.io/',
    'ghcr.io,evil.example',
    'ghcr.io ',
    '*',
    'ɡhcr.io',
    'ghcr.io:8443',
  ])
    t.match(bindWith({ 'slipway-registry': other }), { code }, other);
  for (const same of ['GHCR.io', 'ghcr.io.', 'ghcr.io:443'])
    t.match(bindWith({ 'slipway-registry': same }), { bound: true, host }, same);
});

t.test('without policy, only tags that name the registry bind', async t => {
  const code = 'CredentialNotBoundToRegistry';
  for (const tags of [
    {},
    { 'slipway-username': 'u' },
    { 'slipway-repositories': '**' },
    { 'Slipway-Registry': host },
  ])
    t.match(bindWith(tags, embedded), { code, detail: /is bound to no registry/ });
  t.match(bindWith({ 'slipway-registry': host }, embedded), { bound: true, username: null });
});

t.test('a policy is refused that would free under another name what it binds', async t => {
  const file = join(temporaryDirectory(t), 'policy.yaml');
  const text = readFileSync(path, 'utf8');
  const load = (from: string, to: string) => {
    t.ok(text.includes(from), from);
    writeFileSync(file, text.replace(from, to));
    return () => loadPolicy(file);
  };
  const vault = 'vaults:\n  demo-vault:';
  const alias =
    'vaults:\n  alias: { url: "https://demo-vault.vault.azure.net/", ownersBind: true }\n  demo-vault:';
  t.throws(load(vault, alias), { message: /\/vaults\/demo-vault\/url is that of vault 'alias'/ });
  const binding = (secret: string) =>
    `bindings: [{ vault: demo-vault, secret: ${secret}, registry: ghcr.io }]\nvaults:\n  demo-vault:`;
  t.throws(load(vault, binding('Orders-DB')), {
    message: /\/bindings\/0 binds 'Orders-DB', which is a workload secret of team 'demo'/,
  });
  t.doesNotThrow(load(vault, binding('ghcr-pull')));
});
