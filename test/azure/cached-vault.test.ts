import t from 'tap';
import { cacheVault } from '../../src/azure/cached-vault.ts';
import { AzureError } from '../../src/azure/failure.ts';
import type { SecretVersion, Vault, VaultListing } from '../../src/azure/vault.ts';
import { Secret } from '../../src/secret.ts';

const url = 'https://demo-vault.vault.azure.net';
const version = '0123456789abcdef0123456789abcdef';
const answered = (status: number | null, code: string | null = null) =>
  new AzureError({
    ...{ kind: 'vault', operation: 'get secret', status, code },
    ...{ message: 'no', retryAfterMs: null, requestId: null },
  });

const statusOf = (call: Promise<unknown>) =>
  call.then(
    () => 'answered',
    error => error.status,
  );

function start() {
  let now = 0;
  let broken: Error | null = null;
  const reads = { values: 0, lists: 0 };
  const answer = async <T>(value: T): Promise<T> => {
    await new Promise(done => setImmediate(done));
    if (broken) throw broken;
    return value;
  };
  const vault: Vault & VaultListing = {
    names: () => answer(['one']),
    async properties() {
      reads.lists += 1;
      return answer<SecretVersion[]>([{ version, tags: {}, enabled: true, createdOn: new Date(0) }]);
    },
    async value() {
      reads.values += 1;
      return answer(new Secret(`hunter${reads.values}`));
    },
  };
  const clock = { now: () => new Date(now), wait: async () => {} };
  return {
    cached: cacheVault(vault, { clock }),
    reads,
    pass: (ms: number) => {
      now += ms;
    },
    breakWith: (error: Error | null) => {
      broken = error;
    },
  };
}

t.test('a thousand that resolve one secret at once are one read of the vault', async t => {
  const { cached, reads } = start();
  const resolve = async () => {
    const [newest] = await cached.properties(url, 'acr-admin');
    using secret = await cached.value(url, 'acr-admin', newest?.version ?? '');
    return secret.reveal();
  };
  const found = await Promise.all(Array.from({ length: 1_000 }, resolve));
  t.same(new Set(found), new Set(['hunter1']));
  t.same(reads, { values: 1, lists: 1 });
});

t.test('a value is kept for five minutes, which versions there are is asked each time', async t => {
  const { cached, reads, pass } = start();
  for (let n = 0; n < 3; n += 1) {
    await cached.properties(url, 'acr-admin');
    await cached.value(url, 'acr-admin', version);
  }
  t.same(reads, { values: 1, lists: 3 });
  pass(5 * 60_000);
  t.equal((await cached.value(url, 'ACR-Admin', version)).reveal(), 'hunter2');
  cached.close();
  t.equal((await cached.value(url, 'acr-admin', version)).reveal(), 'hunter3');
});

t.test('while the vault is out what it said is good for half an hour, and no longer', async t => {
  const { cached, pass, breakWith } = start();
  await cached.properties(url, 'acr-admin');
  await cached.value(url, 'acr-admin', version);
  for (const outage of [answered(503), answered(429), answered(null, 'ETIMEDOUT')]) {
    breakWith(outage);
    pass(9 * 60_000);
    t.equal((await cached.value(url, 'acr-admin', version)).reveal(), 'hunter1');
    t.equal((await cached.properties(url, 'acr-admin'))[0]?.version, version);
  }
  pass(3 * 60_000);
  await t.rejects(cached.value(url, 'acr-admin', version), { name: 'AzureError' });
  await t.rejects(cached.properties(url, 'acr-admin'), { name: 'AzureError' });
});

t.test('what the vault refuses is refused, however well it was known', async t => {
  for (const refusal of [answered(401), answered(403, 'Forbidden'), answered(404, 'SecretNotFound')]) {
    const { cached, pass, breakWith } = start();
    await cached.properties(url, 'acr-admin');
    await cached.value(url, 'acr-admin', version);
    breakWith(refusal);
    pass(6 * 60_000);
    t.equal(await statusOf(cached.value(url, 'acr-admin', version)), refusal.status);
    t.equal(await statusOf(cached.properties(url, 'acr-admin')), refusal.status);
    breakWith(answered(503));
    t.equal(await statusOf(cached.value(url, 'acr-admin', version)), 503, 'nor is it used afterwards');
  }
});

t.test('who gives up leaves the read to the others', async t => {
  const { cached, reads } = start();
  const impatient = new AbortController();
  const given = cached.value(url, 'acr-admin', version, impatient.signal);
  const patient = cached.value(url, 'acr-admin', version);
  impatient.abort(new Error('given up'));
  await t.rejects(given, { message: 'given up' });
  t.equal((await patient).reveal(), 'hunter1');
  t.equal(reads.values, 1);
});
