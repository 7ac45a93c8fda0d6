import type { LookupAddress, LookupOptions } from 'node:dns';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { request } from 'undici';
import { isNetwork, isPublicAddress, liesIn } from '../../src/addresses.ts';
import { openCertificates } from '../../src/emulator/door/certificates.ts';
import { createDispatcher, type DispatcherOptions, type Gate, parseHostTable } from '../../src/hosts.ts';
import { parsePolicy } from '../../src/policy/load.ts';
import type { Policy } from '../../src/policy/policy.ts';
import { gateFor, tokenHostFor } from '../../src/policy/registry-gates.ts';
import { createRegistryClient } from '../../src/registry/client.ts';
import { parseReference } from '../../src/registry/reference.ts';

/* What a caller names is never reached at an address inside, however it is spelled and whoever answers for the name. */

t.test('addresses are public, or not', async t => {
  for (const address of ['8.8.8.8', '20.1.2.3', '2606:4700::1111', '2a00:1450::5'])
    t.ok(isPublicAddress(address), address);
  const inside = [
    ...['0.0.0.0', '10.0.0.1', '100.64.0.1', '127.0.0.1', '127.255.255.255', '169.254.169.254'],
    ...['168.63.129.16', '172.16.0.1', '172.31.255.255', '192.0.0.192', '192.168.1.1', '198.18.0.1'],
    ...['192.0.2.1', '203.0.113.7', '224.0.0.1', '240.0.0.1', '255.255.255.255'],
    ...['::', '::1', '::ffff:127.0.0.1', '::ffff:8.8.8.8', '::127.0.0.1', '64:ff9b::7f00:1', 'fc00::1'],
    ...['fd00:ec2::254', 'fe80::1', 'fec0::1', 'ff02::1', '2001::1', '2001:db8::1', '2002:7f00:1::'],
  ];
  for (const address of inside) t.notOk(isPublicAddress(address), address);
  t.ok(liesIn(['10.1.0.0/16', 'fd00::/8'], '10.1.200.3'));
  t.ok(liesIn(['10.1.0.0/16', 'fd00::/8'], '::ffff:10.1.0.1'), 'also where it is written as IPv6');
  t.ok(liesIn(['10.1.0.0/16', 'fd00::/8'], 'fd12::1'));
  t.notOk(liesIn(['10.1.0.0/16', 'fd00::/8'], '10.2.0.1'));
  for (const good of ['10.1.0.0/16', '10.1.2.3', 'fd00::/8', '::1']) t.ok(isNetwork(good), good);
  for (const bad of ['10.1.0.0/33', '10.1.0/16', 'fd00::/129', 'any', '', '10.1.0.0/', 'host/8'])
    t.notOk(isNetwork(bad), bad);
});

/** A server of this machine that counts who comes. */
async function startCanary(t: { teardown(done: () => unknown): unknown }) {
  let met = 0;
  const server = createServer(socket => {
    met += 1;
    socket.destroy();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  return { port: (server.address() as AddressInfo).port, met: () => met };
}

type Stub = (hostname: string, options: LookupOptions) => LookupAddress[];

/** A resolver that says what the test says. */
const resolver = (stub: Stub): NonNullable<DispatcherOptions['lookup']> =>
  ((hostname: string, options: LookupOptions, done: (error: null, found: LookupAddress[]) => void) =>
    done(null, stub(hostname, options))) as NonNullable<DispatcherOptions['lookup']>;

const ipv4 = (...addresses: string[]) => addresses.map(address => ({ address, family: 4 }));

t.test('no spelling of an address leads inside', async t => {
  const canary = await startCanary(t);
  const dispatcher = createDispatcher({ table: parseHostTable(''), gateOf: () => ({}) });
  t.teardown(() => dispatcher.destroy());
  const spellings = [
    ...['127.0.0.1', '127.1', '127.0.1', '0x7f.1', '0x7f000001', '2130706433', '017700000001', '0177.0.0.1'],
    ...['0', '0.0.0.0', '①②⑦.0.0.1', '127。0。0。1', '127.0.0.1.', 'localhost', 'LOCALHOST'],
    ...['[::1]', '[::]', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]', '[::127.0.0.1]', '[0:0:0:0:0:0:0:1]'],
    ...['[64:ff9b::127.0.0.1]', '[fd00:ec2::254]', '169.254.169.254', '0xa9fea9fe', '168.63.129.16'],
  ];
  for (const host of spellings)
    for (const scheme of ['https', 'http'])
      await t.rejects(
        request(`${scheme}://${host}:${canary.port}/`, { dispatcher }),
        { code: 'ADDRESS_NOT_PUBLIC' },
        `${scheme} ${host}`,
      );
  t.equal(canary.met(), 0);
  await t.rejects(
    request(`http://127.0.0.1:${canary.port}/`, {
      dispatcher: plainDispatcher(t),
    }),
    'without the rule it is reached',
  );
  t.equal(canary.met(), 1);
});

function plainDispatcher(t: { teardown(done: () => unknown): unknown }) {
  const dispatcher = createDispatcher({ table: parseHostTable('') });
  t.teardown(() => dispatcher.destroy());
  return dispatcher;
}

t.test('who answers for a name cannot lead inside, and cannot change his mind', async t => {
  const canary = await startCanary(t);
  const asked: string[] = [];
  const inside = ['127.0.0.1', '10.0.0.1', '169.254.169.254'];
  const gates: Record<string, Gate> = { 'harbor.example': { addresses: ['127.0.0.0/8'] } };
  const dispatcher = createDispatcher({
    table: parseHostTable('mapped.example=127.0.0.1:1'),
    gateOf: host => gates[host.replace(/:\d+$/, '')] ?? {},
    lookup: resolver(hostname => {
      asked.push(hostname);
      return hostname === 'harbor.example' ? ipv4('10.0.0.1', '127.0.0.1') : ipv4(...inside);
    }),
  });
  t.teardown(() => dispatcher.destroy());
  for (const host of ['evil.example', '169.254.169.254.nip.example', 'harbor.example.evil.example'])
    await t.rejects(
      request(`http://${host}:${canary.port}/`, { dispatcher }),
      { code: 'ADDRESS_NOT_PUBLIC', message: /^(?!.*(?:127|169\.254\.169\.254 ))/ },
      `${host}: the address is not told`,
    );
  t.equal(canary.met(), 0);
  asked.length = 0;
  await t.rejects(request(`http://harbor.example:${canary.port}/`, { dispatcher }), {
    code: 'UND_ERR_SOCKET',
  });
  t.same(asked, ['harbor.example'], 'looked up once: the address that was judged is the one');
  t.equal(canary.met(), 1, 'policy names the network');
  await t.rejects(
    request('http://mapped.example/', { dispatcher }),
    { code: 'ECONNREFUSED' },
    'by the table',
  );
});

const policyOf = (registries: Policy['registries']): Policy => ({
  version: 1,
  issuers: [{ name: 'a', issuer: 'https://a.example', audience: 'a' }],
  teams: {},
  targets: {},
  ...(registries ? { registries } : {}),
});

t.test('a registry inside is reached with the networks and the certificate that policy names', async t => {
  const certificates = openCertificates(undefined);
  const asked: string[] = [];
  const server = createTlsServer(
    {
      ...certificates.fallback,
      SNICallback: (name, done) => done(null, certificates.contextFor(name)),
    },
    ({ method, url, headers }, response) => {
      asked.push(`${method} ${headers.host?.replace(/:\d+$/, '')} ${url}`);
      response.writeHead(401, { 'www-authenticate': 'Bearer realm="https://tokens.example/t"' }).end();
    },
  );
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const host = `harbor.example:${port}`;
  const directory = mkdtempSync(join(tmpdir(), 'slipway-gates-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  writeFileSync(join(directory, 'corp-ca.pem'), certificates.ca);

  const pull = async (registries: Policy['registries']) => {
    const policy = policyOf(registries);
    const dispatcher = createDispatcher({
      table: parseHostTable(''),
      gateOf: name => gateFor(policy, name, directory),
      lookup: resolver(() => ipv4('127.0.0.1')),
    });
    t.teardown(() => dispatcher.destroy());
    const parsed = parseReference(`${host}/team/app:1`);
    if (!parsed.ok) throw new Error(parsed.hint);
    const found = await createRegistryClient({
      dispatcher,
      tokenHostOf: name => tokenHostFor(policy, name),
    }).resolve({
      reference: parsed.reference,
      credential: null,
      platform: { os: 'linux', architecture: 'amd64' },
    });
    return found.ok ? null : found.problem;
  };

  t.match(await pull(undefined), { networkCode: 'ADDRESS_NOT_PUBLIC' });
  t.match(await pull({ [host]: { addresses: ['10.0.0.0/8'] } }), { networkCode: 'ADDRESS_NOT_PUBLIC' });
  t.match(await pull({ 'other.example': { addresses: ['127.0.0.0/8'], ca: certificates.ca } }), {
    networkCode: 'ADDRESS_NOT_PUBLIC',
  });
  t.same(asked, [], 'nothing was asked');
  const addresses = ['127.0.0.0/8'];
  t.match(await pull({ [host]: { addresses } }), { networkCode: /CERT|SIGNED|ISSUER/ });
  t.match(await pull({ [host]: { addresses, ca: 'not-there.pem' } }), { networkCode: 'ERR_TLS_CA_FILE' });
  t.same(asked, []);
  for (const ca of ['corp-ca.pem', certificates.ca])
    t.match(await pull({ [host]: { addresses, ca } }), { foreignRealm: 'tokens.example' });
  t.same(asked, Array(2).fill('HEAD harbor.example /v2/team/app/manifests/1'));
  t.match(
    await pull({ [host]: { addresses, ca: 'corp-ca.pem', tokenHost: 'tokens.example' } }),
    // Its port is another, where nobody listens; the host is the paired one.
    { step: 'connect', host: 'tokens.example', networkCode: String },
  );
});

t.test('gates are found under every name of a registry, and under that of its token service', async t => {
  const policy = policyOf({
    'docker.io': { addresses: ['10.9.0.0/16'] },
    'harbor.example:8443': { addresses: ['10.1.0.0/16'], tokenHost: 'sso.example' },
  });
  t.same(gateFor(policy, 'registry-1.docker.io', '.'), { addresses: ['10.9.0.0/16'] });
  t.same(gateFor(policy, 'HARBOR.example:8443', '.'), { addresses: ['10.1.0.0/16'] });
  t.same(gateFor(policy, 'sso.example', '.'), { addresses: ['10.1.0.0/16'] });
  t.same(gateFor(policy, 'harbor.example', '.'), {}, 'another port is another registry');
  t.same(gateFor(policy, 'constructor', '.'), {});
  t.equal(tokenHostFor(policy, 'harbor.example:8443'), 'sso.example');
  t.equal(tokenHostFor(policy, 'sso.example'), undefined);
});

t.test('a policy whose networks are none is not taken', async t => {
  const file = (text: string) => [{ name: 'policy.yaml', text }];
  const text = (more: string) => `version: 1
issuers: [{ name: a, issuer: "https://a.example", audience: a }]
teams: {}
targets: {}
registries: { harbor.example: { ${more} } }
`;
  t.ok(parsePolicy(file(text('addresses: ["10.1.0.0/16"], tokenHost: sso.example'))).loaded);
  const wrong: [string, RegExp][] = [
    ['addresses: ["10.1.0.0/99"]', /policy\.yaml:5: .*'10\.1\.0\.0\/99' is no network/],
    ['addresses: [everything]', /is no network/],
    ['tokenHost: index.docker.io', /is written 'docker\.io'/],
    ['tokenHost: "10.0.0.1"', /tokenHost/],
    ['tokenHost: "https://sso.example"', /tokenHost/],
  ];
  for (const [more, message] of wrong) t.throws(() => parsePolicy(file(text(more))), message, more);
});
