import { writeFileSync } from 'node:fs';
import {
  ClientAssertionCredential,
  ClientSecretCredential,
  ManagedIdentityCredential,
  WorkloadIdentityCredential,
} from '@azure/identity';
import { SecretClient } from '@azure/keyvault-secrets';
import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose';
import t from 'tap';
import { administrator, demo } from '../../src/emulator/demo-ids.ts';
import { startTestEmulator, type TestEmulator } from '../support/emulator.ts';

const noRetries = { retryOptions: { maxRetries: 0 } };
const login = `https://login.microsoftonline.com/${demo.tenantId}`;
const armScope = 'https://management.azure.com/.default';
const vaultScope = 'https://vault.azure.net/.default';

function signIn(emulator: TestEmulator, clientId: string, secret: string, tenant: string = demo.tenantId) {
  return new ClientSecretCredential(tenant, clientId, secret, {
    httpClient: emulator.httpClient,
    ...noRetries,
  });
}

function secretOf(emulator: TestEmulator, clientId: string): string {
  return emulator.world.principals[clientId]?.secrets[0] ?? '';
}

t.test('Entra ID', async t => {
  const emulator = await startTestEmulator(t);

  t.test('a client with its secret gets a v2.0 token for its own principal', async t => {
    const credential = signIn(emulator, demo.demoClientId, secretOf(emulator, demo.demoClientId));
    const { token, expiresOnTimestamp } = await credential.getToken(armScope);
    t.ok(expiresOnTimestamp > Date.now() + 3_000_000);
    t.match(decodeJwt(token), {
      aud: 'https://management.azure.com',
      iss: `${login}/v2.0`,
      tid: demo.tenantId,
      azp: demo.demoClientId,
      azpacr: '1',
      oid: emulator.world.principals[demo.demoClientId]?.principalId,
      sub: emulator.world.principals[demo.demoClientId]?.principalId,
      idtyp: 'app',
      ver: '2.0',
    });
  });

  t.test("Slipway's own API is known by its client id", async t => {
    const credential = signIn(emulator, demo.otherClientId, secretOf(emulator, demo.otherClientId));
    const { token } = await credential.getToken('api://slipway/.default');
    t.equal(decodeJwt(token).aud, '00000000-0000-0000-0000-00000000dddd');
  });

  t.test('discovery leads to the keys, and the keys verify the tokens', async t => {
    const { json: discovery } = await emulator.ask(`${login}/v2.0/.well-known/openid-configuration`);
    const { json: keys } = await emulator.ask(discovery.jwks_uri);
    t.equal(keys.keys.length, 2);
    t.notMatch(JSON.stringify(keys), /"[dpq]":/, 'public parts only');
    const token = await emulator.token('demo-client');
    const { payload } = await jwtVerify(token, createLocalJWKSet(keys), {
      issuer: discovery.issuer,
      algorithms: ['RS256'],
    });
    t.equal(payload.azp, demo.demoClientId);
    t.equal(decodeProtectedHeader(token).typ, 'JWT');
  });

  t.test('instance discovery names the cloud', async t => {
    const { json } = await emulator.ask(
      'https://login.microsoftonline.com/common/discovery/instance?api-version=1.1&authorization_endpoint=x',
    );
    t.ok(json.metadata[0].aliases.includes('login.microsoftonline.com'));
  });

  t.test(
    'a new key signs after a rotation; the one before is still good, the one before that is not',
    async t => {
      const groups = `https://management.azure.com/subscriptions?api-version=2022-12-01`;
      const first = await emulator.token('administrator', armScope);
      const rotate = () => emulator.ask('https://localhost/_emulator/keys/rotate', { method: 'POST' });
      await rotate();
      const second = await emulator.token('administrator', armScope);
      t.not(decodeProtectedHeader(first).kid, decodeProtectedHeader(second).kid);
      t.equal((await emulator.ask(groups, { token: first })).status, 200);
      await rotate();
      t.equal((await emulator.ask(groups, { token: first })).status, 401);
      t.equal((await emulator.ask(groups, { token: second })).status, 200);
    },
  );

  t.test('what is wrong is told with the number that Entra ID has for it', async t => {
    const { clientId, secret } = administrator;
    for (const [credential, scope, number] of [
      [signIn(emulator, clientId, 'wrong'), armScope, 7000215],
      [signIn(emulator, demo.subscriptionId, secret), armScope, 700016],
      [signIn(emulator, clientId, secret, demo.subscriptionId), armScope, 90002],
      [signIn(emulator, clientId, secret), 'https://unknown.example/.default', 500011],
      [signIn(emulator, clientId, secret), 'https://management.azure.com/user_impersonation', 1002012],
      [signIn(emulator, demo.slipwayClientId, 'x'), armScope, 7000215],
    ] as const)
      await t.rejects(
        credential.getToken(scope),
        { message: new RegExp(`AADSTS${number}\\b`) },
        String(number),
      );
    for (const [form, number] of [
      ['', 900144],
      ['grant_type=password', 70003],
      ['grant_type=client_credentials', 900144],
      [`grant_type=client_credentials&client_id=${clientId}`, 7000216],
      [`grant_type=client_credentials&client_id=${clientId}&client_secret=${secret}`, 900144],
    ] as const) {
      const { json } = await emulator.ask(`${login}/oauth2/v2.0/token`, {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: form,
      });
      t.same(json.error_codes, [number]);
    }
  });

  t.test("Slipway's identity signs in with an assertion, from a file, without a secret", async t => {
    const file = `${t.testdir({})}/assertion.jwt`;
    writeFileSync(file, await emulator.slipwayAssertion());
    const credential = new WorkloadIdentityCredential({
      tenantId: demo.tenantId,
      clientId: demo.slipwayClientId,
      tokenFilePath: file,
      httpClient: emulator.httpClient,
    });
    const { token } = await credential.getToken(vaultScope);
    t.match(decodeJwt(token), { azp: demo.slipwayClientId, azpacr: '2', aud: 'https://vault.azure.net' });
  });

  t.test(
    'an assertion for another subject, audience or issuer, or with another signature, is refused',
    async t => {
      const good = await emulator.slipwayAssertion();
      const issue = async (body: object) =>
        (await emulator.ask('https://localhost/_emulator/assertion', { body })).json.token;
      const audience = 'api://AzureADTokenExchange';
      const [head, payload, signature = ''] = good.split('.');
      const flipped = signature.startsWith('A') ? `B${signature.slice(1)}` : `A${signature.slice(1)}`;
      for (const [assertion, number] of [
        [await issue({ subject: 'repo:somebody/else', audience }), 700213],
        [await issue({ subject: 'slipway', audience: 'https://elsewhere.example' }), 700212],
        [await emulator.token('demo-client'), 700211],
        ['nonsense', 700211],
        [`${head}.${payload}.${flipped}`, 700027],
        [await issue({ subject: 'slipway', audience, claims: { exp: 1_700_000_000 } }), 700024],
      ] as const) {
        const credential = new ClientAssertionCredential(
          demo.tenantId,
          demo.slipwayClientId,
          async () => assertion,
          {
            httpClient: emulator.httpClient,
            ...noRetries,
          },
        );
        await t.rejects(
          credential.getToken(armScope),
          { message: new RegExp(`AADSTS${number}\\b`) },
          String(number),
        );
      }
    },
  );

  t.test('the federated issuer publishes its key', async t => {
    const issuer = 'https://token.actions.githubusercontent.com';
    const { json } = await emulator.ask(`${issuer}/.well-known/openid-configuration`);
    const { json: keys } = await emulator.ask(json.jwks_uri);
    const { payload } = await jwtVerify(await emulator.slipwayAssertion(), createLocalJWKSet(keys), {
      issuer,
    });
    t.equal(payload.sub, 'slipway');
  });
});

t.test('managed identities', async t => {
  const emulator = await startTestEmulator(t);
  const identity = Object.values(emulator.world.identities).find(({ name }) => name === 'orders-identity');
  if (!identity) throw new Error('the demo world has no orders-identity');
  identity.attachedTo.push('asker-one');
  const other = Object.values(emulator.world.identities).find(({ name }) => name === 'other-identity');
  const endpoint = `${emulator.url}/msi/token?api-version=2019-08-01&resource=https://vault.azure.net`;

  t.test('the SDK gets the token of an attached identity', async t => {
    process.env.IDENTITY_ENDPOINT = `${emulator.url}/msi/token`;
    process.env.IDENTITY_HEADER = 'asker-one';
    t.teardown(() => {
      delete process.env.IDENTITY_ENDPOINT;
      delete process.env.IDENTITY_HEADER;
    });
    const credential = new ManagedIdentityCredential({
      clientId: identity.clientId,
      httpClient: emulator.httpClient,
    });
    const { token } = await credential.getToken(vaultScope);
    t.match(decodeJwt(token), {
      oid: identity.principalId,
      azp: identity.clientId,
      aud: 'https://vault.azure.net',
    });
    t.equal(emulator.journal.since(0).at(-1)?.caller, 'orders-identity');
  });

  t.test('only who has it attached gets it', async t => {
    const ask = (asker: string | undefined, query = '') =>
      emulator.ask(endpoint + query, asker === undefined ? {} : { headers: { 'x-identity-header': asker } });
    t.equal((await ask('asker-one')).status, 200, 'the only one need not be named');
    t.equal((await ask('asker-one', `&mi_res_id=${identity.id.toUpperCase()}`)).status, 200);
    t.equal((await ask('asker-one', `&client_id=${other?.clientId}`)).status, 400);
    t.equal((await ask('asker-two')).status, 400);
    t.equal((await ask(undefined)).status, 401);
  });

  t.test('IMDS knows its asker, wants its header, and gives nothing to nobody', async t => {
    const imds = `https://169.254.169.254/metadata/identity/oauth2/token/?api-version=2018-02-01&resource=${encodeURIComponent('https://management.azure.com/')}`;
    const known = await emulator.ask(imds, {
      headers: { metadata: 'true', 'x-emulator-asker': 'asker-one' },
    });
    t.equal(known.status, 200);
    t.equal(known.json.client_id, identity.clientId);
    t.match(known.json.expires_on, /^\d+$/);
    const nobody = await emulator.ask(imds, { headers: { metadata: 'true' } });
    t.equal(nobody.status, 400);
    t.equal(nobody.json.error_description, 'Identity not found');
    const bare = await emulator.ask(imds, { headers: { 'x-emulator-asker': 'asker-one' } });
    t.equal(bare.json.error_description, 'Required metadata header not specified');
  });
});

t.test('Key Vault, through @azure/keyvault-secrets', async t => {
  const emulator = await startTestEmulator(t);
  const { httpClient } = emulator;
  const url = 'https://demo-vault.vault.azure.net';
  const client = new SecretClient(url, emulator.administrator, { httpClient, ...noRetries });
  const slipway = new SecretClient(
    url,
    new ClientAssertionCredential(demo.tenantId, demo.slipwayClientId, emulator.slipwayAssertion, {
      httpClient,
    }),
    { httpClient, ...noRetries },
  );

  t.test('who has no token is told where to get one', async t => {
    const { status, headers } = await emulator.ask(`${url}/secrets/acr-admin?api-version=7.4`);
    t.equal(status, 401);
    t.equal(
      headers['www-authenticate'],
      `Bearer authorization="${login}", resource="https://vault.azure.net"`,
    );
    const wrong = await emulator.token('administrator', armScope);
    const refused = await emulator.ask(`${url}/secrets/acr-admin?api-version=7.4`, { token: wrong });
    t.match(refused.json.error.message, /AKV10022/);
    t.equal(
      (await emulator.ask(`${url}/secrets/acr-admin`, { token: wrong })).status,
      400,
      'without api-version',
    );
  });

  t.test('the demo secrets open the demo registries, and say which by their tags', async t => {
    const secret = await slipway.getSecret('acr-admin');
    t.equal(secret.value, emulator.world.registries['myregistry.azurecr.io']?.users.myregistry?.password);
    t.same(secret.properties.tags, {
      'slipway-registry': 'myregistry.azurecr.io',
      'slipway-username': 'myregistry',
    });
    t.equal(secret.properties.id, `${url}/secrets/acr-admin/${secret.properties.version}`);
    for (const [name, host, user] of [
      ['acr-sp', 'myregistry.azurecr.io', demo.pullerClientId],
      ['acr-token', 'myregistry.azurecr.io', 'slipway-pull'],
      ['dockerhub-pull', 'docker.io', 'myusername'],
      ['ghcr-pull', 'ghcr.io', 'myghuser'],
      ['company-registry', 'registry.mycompany.com', 'deploy-user'],
    ] as const)
      t.equal(
        (await slipway.getSecret(name)).value,
        emulator.world.registries[host]?.users[user]?.password,
        name,
      );
    t.not((await slipway.getSecret('ghcr-wrong')).value, (await slipway.getSecret('ghcr-pull')).value);
  });

  t.test('a new version has its own tags; an old one stays readable', async t => {
    const first = await client.setSecret('rotated', 'one', { tags: { a: '1' }, contentType: 'text/plain' });
    const second = await client.setSecret('rotated', 'two', { tags: { b: '2' } });
    t.same((await client.getSecret('rotated')).properties.tags, { b: '2' });
    const old = await client.getSecret('rotated', { version: first.properties.version ?? '' });
    t.equal(old.value, 'one');
    t.equal(old.properties.contentType, 'text/plain');
    const versions = [];
    for await (const each of client.listPropertiesOfSecretVersions('rotated')) versions.push(each.version);
    t.same(versions, [first.properties.version, second.properties.version]);
  });

  t.test('expired and not yet valid secrets are served, disabled ones are not', async t => {
    const expired = await slipway.getSecret('ghcr-expired');
    t.ok((expired.properties.expiresOn?.getTime() ?? Number.POSITIVE_INFINITY) < Date.now());
    const tomorrow = new Date(Date.now() + 86_400_000);
    await client.setSecret('early', 'v', { notBefore: tomorrow });
    t.equal((await client.getSecret('early')).properties.notBefore?.getDate(), tomorrow.getDate());
    const { properties } = await client.setSecret('off', 'v');
    await client.updateSecretProperties('off', properties.version ?? '', {
      enabled: false,
      tags: { why: 'leaked' },
    });
    await t.rejects(client.getSecret('off'), {
      statusCode: 403,
      code: 'Forbidden',
      details: { error: { innerError: { code: 'SecretDisabled' } } },
    });
    for await (const version of client.listPropertiesOfSecretVersions('off'))
      t.match(version, { enabled: false, tags: { why: 'leaked' } });
  });

  t.test('what is not there is not found, by whatever name', async t => {
    for (const name of ['nothing', 'constructor', 'toString'])
      await t.rejects(slipway.getSecret(name), {
        statusCode: 404,
        code: 'SecretNotFound',
        message: `(name/id) ${name} was`,
      });
    await t.rejects(slipway.getSecret('acr-admin', { version: '0' }), {
      code: 'SecretNotFound',
      message: 'acr-admin/0',
    });
    await t.rejects(client.setSecret('no_such_name', 'v'), { statusCode: 400, code: 'BadParameter' });
    const constructed = await client.setSecret('constructor', 'v');
    t.equal((await client.getSecret('constructor')).value, constructed.value);
  });

  t.test('lists come in pages, without values', async t => {
    for (let index = 0; index < 30; index++) await client.setSecret(`page-${index}`, 'v');
    const names: string[] = [];
    for await (const page of client.listPropertiesOfSecrets().byPage({ maxPageSize: 10 })) {
      t.ok(page.length <= 10);
      names.push(...page.map(({ name }) => name));
    }
    t.equal(names.filter(name => name.startsWith('page-')).length, 30);
    t.equal(new Set(names).size, names.length);
    const { text } = await emulator.ask(`${url}/secrets?api-version=7.4`, {
      token: await emulator.token('administrator', vaultScope),
    });
    t.notMatch(text, '"value":"');
  });

  t.test('a deleted secret is gone', async t => {
    await client.setSecret('brief', 'v');
    await (await client.beginDeleteSecret('brief')).pollUntilDone();
    await t.rejects(client.getSecret('brief'), { code: 'SecretNotFound' });
  });

  t.test('only a role opens the vault: reading does not write, and no role does not read', async t => {
    await t.rejects(slipway.setSecret('mine', 'v'), {
      statusCode: 403,
      message: /Action: 'Microsoft\.KeyVault\/vaults\/secrets\/setSecret\/action'/,
      details: { error: { innerError: { code: 'ForbiddenByRbac' } } },
    });
    const demoClient = signIn(emulator, demo.demoClientId, secretOf(emulator, demo.demoClientId));
    const stranger = new SecretClient(url, demoClient, { httpClient, ...noRetries });
    await t.rejects(stranger.getSecret('acr-admin'), { statusCode: 403, code: 'Forbidden' });
    await t.rejects(stranger.getSecret('nothing'), { code: 'Forbidden' }, 'what exists is not told either');
    const scope = `${emulator.world.vaults['demo-vault']?.id}/secrets/acr-admin`;
    await emulator.ask('https://localhost/_emulator/world', {
      body: {
        roleAssignments: [
          {
            role: 'Key Vault Secrets User',
            principalId: emulator.world.principals[demo.demoClientId]?.principalId,
            scope,
          },
        ],
      },
    });
    t.ok((await stranger.getSecret('acr-admin')).value, 'one secret alone');
    await t.rejects(stranger.getSecret('acr-sp'), { code: 'Forbidden' });
  });
});
