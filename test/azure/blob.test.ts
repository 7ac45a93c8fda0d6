import t from 'tap';
import { createBlobReader } from '../../src/azure/blob.ts';
import { createTransport } from '../../src/azure/transport.ts';
import { ConfigError, readConfig } from '../../src/config.ts';
import { PolicyError } from '../../src/policy/load.ts';
import { createRemoteSource } from '../../src/policy/source.ts';
import { type Reply, startHttpsHosts } from '../support/https-hosts.ts';

const host = 'deploypolicies.blob.core.windows.net';
const url = `https://${host}/policies/slipway.yaml`;

/** Blob Storage with one blob, as its REST API answers. */
async function start(teardown: Parameters<typeof startHttpsHosts>[0]) {
  const state: { etag: string; text: string; answer: Reply | null } = {
    etag: '"1"',
    text: 'a',
    answer: null,
  };
  const headers: Record<string, unknown>[] = [];
  const hosts = await startHttpsHosts(teardown, {
    [host]: (_asked, response) => {
      headers.push(response.req.headers);
      if (state.answer) return state.answer;
      if (response.req.headers['if-none-match'] === state.etag) return { status: 304 };
      return { headers: { etag: state.etag, 'content-type': 'application/yaml' }, body: state.text };
    },
  });
  const scopes: unknown[] = [];
  const credential = {
    async getToken(scope: string | string[]) {
      scopes.push(scope);
      return { token: 'of-slipway', expiresOnTimestamp: 0 };
    },
  };
  const transport = createTransport({ dispatcher: hosts.dispatcher, vaults: () => [], blob: url });
  return { state, headers, scopes, hosts, transport, read: createBlobReader({ credential, transport }) };
}

t.test(
  "a policy in Blob Storage is read with Slipway's own identity, and again only when it has changed",
  async t => {
    const { state, headers, scopes, hosts, read } = await start(t);
    const source = createRemoteSource(url, read);
    t.same(await source.read(), [{ name: url, text: 'a' }]);
    t.same(await source.read(), [{ name: url, text: 'a' }], 'an ETag that is the same brings what was read');
    Object.assign(state, { etag: '"2"', text: 'b' });
    t.same(await source.read(), [{ name: url, text: 'b' }]);
    t.same(new Set(scopes), new Set(['https://storage.azure.com/.default']));
    t.match(headers, [
      { authorization: 'Bearer of-slipway', 'x-ms-version': /^\d{4}-\d\d-\d\d$/, 'if-none-match': undefined },
      { 'if-none-match': '"1"' },
      { 'if-none-match': '"1"' },
    ]);
    t.same(
      hosts.asked.map(({ method, path }) => `${method} ${path}`),
      Array(3).fill('GET /policies/slipway.yaml'),
    );
  },
);

t.test('what cannot be read is a sentence without the token', async t => {
  const { state, read } = await start(t);
  const source = createRemoteSource(url, read);
  const refusals: [Reply, RegExp][] = [
    [
      { status: 404, headers: { 'x-ms-error-code': 'BlobNotFound' }, body: '<?xml?>' },
      /answered 404 BlobNotFound/,
    ],
    [{ status: 403, headers: { 'x-ms-error-code': 'AuthorizationPermissionMismatch' } }, /answered 403 Auth/],
    [{ status: 302, headers: { location: 'https://evil.example/' } }, /answer, 302,/],
    [{ status: 503 }, /answered 503/],
  ];
  for (const [answer, words] of refusals) {
    state.answer = answer;
    const error = await source.read().catch(error => error);
    t.ok(error instanceof PolicyError);
    t.match(error.faults, [{ place: url, message: words }]);
    t.notMatch(error.message, /of-slipway/);
  }
  state.answer = null;
  t.same(await source.read(), [{ name: url, text: 'a' }]);
});

t.test('the token for it goes to that blob only', async t => {
  const { hosts, read } = await start(t);
  for (const other of [
    `https://${host}/policies/other.yaml`,
    `${url}?sig=x`,
    'https://other.blob.core.windows.net/p/p',
  ])
    await t.rejects(read(other, null), { name: 'AzureError', code: 'CallRefused' }, other);
  t.same(hosts.asked, []);
});

t.test('an address that is no blob is no setting', async t => {
  const config = (SLIPWAY_POLICY: string) => readConfig({ SLIPWAY_POLICY }).policy;
  for (const good of [url, '/etc/slipway/policy.yaml', 'policies']) t.equal(config(good), good);
  for (const bad of [
    `${url}?sv=2021&sig=x`,
    'http://deploypolicies.blob.core.windows.net/policies/slipway.yaml',
    'https://evil.example/policies/slipway.yaml',
    'https://deploypolicies.blob.core.windows.net.evil.example/p/p',
    `https://user@${host}/p/p`,
    `https://${host}/p/../q/p`,
    `https://${host}/only-container`,
    'file:///etc/policy.yaml',
    'HTTPS://EVIL.example/p',
  ])
    t.throws(() => config(bad), ConfigError, bad);
});
