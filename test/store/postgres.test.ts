import { type AddressInfo, createServer, type Socket } from 'node:net';
import { sql } from 'kysely';
import t from 'tap';
import { createLog } from '../../src/log.ts';
import { openDatabase } from '../../src/store/database.ts';
import { isStoreOutage } from '../../src/store/outage.ts';
import { contractServer, testDatabase } from '../support/database.ts';
import { killWhileAccepting } from '../support/killed-store.ts';
import { acceptance, loaded, openTestStore, work } from '../support/store.ts';

/** What only a server can do: several processes on one store. */
const skip = contractServer ? false : 'NOT RUN: SLIPWAY_TEST_DATABASE_URL names no PostgreSQL server';

t.test('three that start at once bring the tables up to date together', { skip }, async t => {
  const options = await testDatabase(t, 'postgres');
  const stores = await Promise.all([1, 2, 3].map(() => openTestStore(t, options)));
  for (const { store } of stores) t.match(await store.accept(acceptance()), { outcome: 'accepted' });
  const [first] = stores;
  t.equal((await first?.store.list(['demo'], {}, { size: 10 }))?.value.length, 3);
});

t.test('what one replica settles wakes who waits at another', { skip }, async t => {
  const options = await testDatabase(t, 'postgres');
  const one = await openTestStore(t, options);
  const other = await openTestStore(t, options);
  const watch = await other.store.watch();
  t.teardown(() => watch.close());
  await work(one);
  const asked = acceptance();
  const claimed = one.nextClaim(asked.id);
  await other.store.accept(asked);
  const claim = await claimed;
  const seen = watch.until(asked.id, ['demo'], ({ status }) => status === 'Resolving', 20_000);
  const begun = performance.now();
  await one.store.settle(claim, await loaded(one, asked.id), { to: 'Resolving', now: new Date() });
  claim.release();
  t.match(await seen, { status: 'Resolving' });
  t.ok(performance.now() - begun < 2_000);
});

t.test('a change that waits too long for the one before says so', { skip }, async t => {
  const store = await openTestStore(t, await testDatabase(t, 'postgres'));
  await store.store.accept(acceptance());
  const { db } = store.database;
  const idempotency = { keyHash: 'key', requestHash: 'request', expiresAt: new Date(Date.now() + 60_000) };
  await db.transaction().execute(async held => {
    await sql`select team from teams where team = 'demo' for update`.execute(held);
    await t.rejects(store.store.accept(acceptance({ idempotency })), { code: 'IdempotentRequestInProgress' });
  });
  t.match(await store.store.accept(acceptance({ idempotency })), { outcome: 'accepted' }, 'the key is free');
});

t.test('lost connections are made again: who waits is woken and jobs go on', { skip }, async t => {
  const options = await testDatabase(t, 'postgres');
  const store = await openTestStore(t, options);
  const { db } = store.database;
  const watch = await store.store.watch();
  t.teardown(() => watch.close());
  await work(store);
  const asked = acceptance();
  const claimed = store.nextClaim(asked.id);
  await store.store.accept(asked);
  const claim = await claimed;
  const row = await loaded(store, asked.id);
  const seen = watch.until(asked.id, ['demo'], ({ status }) => status === 'Resolving', 20_000);

  await sql`select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid()`.execute(db);
  const next = store.nextClaim(asked.id);
  const begun = performance.now();
  // A connection whose end has not been noticed yet may be tried first.
  const settle = (): Promise<void> =>
    store.store
      .settle(claim, row, { to: 'Resolving', now: new Date(), againInMs: 0 })
      .catch(error => (isStoreOutage(error) ? settle() : Promise.reject(error)));
  await settle();
  claim.release();
  t.match(await seen, { status: 'Resolving' });
  t.ok(performance.now() - begun < 10_000, 'what was missed is read again');
  (await next).release();
  t.equal(await store.database.ready(), true);
});

t.test('a kill -9 loses nothing, and another replica takes the claim over', { skip }, async t => {
  const options = await testDatabase(t, 'postgres');
  const store = await openTestStore(t, options);
  const { held, accepted } = await killWhileAccepting(t, options, 150);
  const kept = await store.database.db.selectFrom('deployments').select('id').execute();
  const ids = new Set(kept.map(({ id }) => id));
  t.same(
    accepted.filter(id => !ids.has(id)),
    [],
  );
  const claimed = store.nextClaim(held);
  await work(store);
  const claim = await claimed;
  t.equal(claim.attempt, 1);
  claim.release();
});

t.test('a server that cannot be used is a sentence, without the password', async t => {
  const log = createLog({ level: 'silent' });
  const opened = openDatabase({ url: 'postgres://slipway:hunter2@127.0.0.1:1/slipway', log });
  const message = /^The PostgreSQL of DATABASE_URL cannot be used \(127\.0\.0\.1:1\): .*ECONNREFUSED/;
  const error = await opened.catch(error => error);
  t.match(error, { name: 'StoreError', sentence: true, message });
  t.notMatch(error.message, /hunter2/);
});

t.test(
  'a token is the password, a new one for each connection, and goes nowhere without a certificate',
  async t => {
    const passwords: string[] = [];
    const begun: string[] = [];
    // As far as a server goes that asks for a password and takes none.
    const meet = (socket: Socket) => {
      socket.on('error', () => {});
      socket.on('data', data => {
        if (data.readInt32BE(4) === 80_877_103) {
          begun.push('TLS');
          socket.end('N');
        } else if (data[0] === 'p'.charCodeAt(0)) {
          passwords.push(data.subarray(5, -1).toString());
          socket.end();
        } else {
          begun.push('plain');
          socket.write(Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 3]));
        }
      });
    };
    const [port = 0, elsewhere = 0] = await Promise.all(
      ['127.0.0.1', '127.0.0.2'].map(async host => {
        const server = createServer(meet);
        await new Promise<void>(done => server.listen(0, host, done));
        t.teardown(() => server.close());
        return (server.address() as AddressInfo).port;
      }),
    );
    let tokens = 0;
    const open = (host: string, query = '') =>
      openDatabase({
        url: `postgres://slipway@${host}/slipway${query}`,
        signIn: async () => `token-${++tokens}`,
        log: createLog({ level: 'silent' }),
      });
    await t.rejects(open(`127.0.0.1:${port}`, '?sslmode=disable'), { name: 'StoreError' });
    await t.rejects(open(`127.0.0.1:${port}`, '?sslmode=disable'), { name: 'StoreError' });
    t.same(passwords, ['token-1', 'token-2']);
    await t.rejects(open(`127.0.0.1:${port}`), { name: 'StoreError', message: /SSL/ });
    await t.rejects(open(`127.0.0.2:${elsewhere}`, '?sslmode=disable'), {
      name: 'StoreError',
      message: /SSL/,
    });
    t.same(begun, ['plain', 'plain', 'TLS', 'TLS']);
    t.equal(passwords.length, 2);
  },
);
