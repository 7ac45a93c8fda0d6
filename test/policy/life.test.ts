import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import t, { type Test } from 'tap';
import type { Clock } from '../../src/clock.ts';
import { createLog } from '../../src/log.ts';
import type { PolicyLedger } from '../../src/policy/following.ts';
import { startLivePolicy } from '../../src/policy/live.ts';
import { PolicyError, parsePolicy } from '../../src/policy/load.ts';
import { openFileSource, type PolicySource } from '../../src/policy/source.ts';
import { createPolicyLedger } from '../../src/store/policies.ts';
import { contractServer, testDatabase } from '../support/database.ts';
import { eventually } from '../support/demo-world.ts';
import { temporaryDirectory } from '../support/service.ts';
import { openTestStore } from '../support/store.ts';

const embedded = readFileSync(join(import.meta.dirname, '../../src/policy/embedded.yaml'), 'utf8');
const narrower = embedded.replace('        gone-pull,\n', '').replace(/.*registry\.gone\.example.*\n/, '');
const narrowest = narrower.replace('        unbound,\n', '');
const invalid = embedded.replace('vaults: [demo-vault]', 'vaults: [no-vault]');
const failing = embedded.replace(
  'server: evil.example, decision: deny',
  'server: evil.example, decision: allow',
);
const interval = 30_000;
const settling = 250;

/** Time passes only for those who wait exactly so long. */
function drivenClock(): Clock & { pass(ms: number): void; waits(ms: number): boolean } {
  const waiting = new Set<{ ms: number; resolve: () => void }>();
  return {
    now: () => new Date('2026-01-02T03:04:05.000Z'),
    wait: (ms, signal) =>
      new Promise((resolve, reject) => {
        const one = { ms, resolve };
        waiting.add(one);
        signal?.addEventListener('abort', () => {
          waiting.delete(one);
          reject(signal.reason);
        });
      }),
    waits: ms => [...waiting].some(one => one.ms === ms),
    pass(ms) {
      for (const one of waiting)
        if (one.ms === ms) {
          waiting.delete(one);
          one.resolve();
        }
    },
  };
}

/** A file that is replaced, as editors do it. */
function policyFile(t: Test, text: string, name = 'policy.yaml') {
  const directory = join(temporaryDirectory(t), 'policies');
  mkdirSync(directory);
  const path = join(directory, name);
  const replace = (content: string) => {
    writeFileSync(`${path}.draft`, content);
    renameSync(`${path}.draft`, path);
  };
  replace(text);
  return { path, directory, replace };
}

interface Start {
  source: string | PolicySource;
  ledger: PolicyLedger;
  by?: string;
}

async function startReplica(t: Test, { source, ledger, by = 'one' }: Start) {
  const clock = drivenClock();
  const lines: string[] = [];
  const to = new Writable({
    decodeStrings: false,
    write: (line, _encoding, done) => {
      lines.push(String(line));
      done();
    },
  });
  const live = await startLivePolicy({
    refusal: () => null,
    source: typeof source === 'string' ? openFileSource(source) : source,
    ledger,
    clock,
    log: createLog({ level: 'info', to }),
    by,
  });
  t.teardown(() => live.close());
  const uses = (digest: string) =>
    eventually(`${by} to use ${digest}`, async () => live.current().digest === digest);
  const warnings = () => lines.filter(line => JSON.parse(line).level === 40);
  /** The interval, and all that it sets off: the next one begins after it. */
  const interlude = async () => {
    clock.pass(interval);
    await eventually('the next interval', async () => clock.waits(interval));
  };
  return { ...live, clock, uses, warnings, interlude };
}

const digestOf = (text: string) => parsePolicy([{ name: 'policy.yaml', text }]).loaded.digest;
const wide = digestOf(embedded);
const narrow = digestOf(narrower);
const narrowestDigest = digestOf(narrowest);

function deaf(ledger: PolicyLedger): PolicyLedger {
  return { ...ledger, listen: async () => async () => {} };
}

for (const kind of ['embedded', 'postgres'] as const) {
  const skip =
    kind === 'postgres' && !contractServer ? 'NOT RUN: SLIPWAY_TEST_DATABASE_URL names no PostgreSQL' : false;
  t.test(`one policy for all replicas (${kind} store)`, { skip }, async t => {
    const store = await openTestStore(t, await testDatabase(t, kind));
    const ledger = createPolicyLedger(store.database, store.jobs);
    const activations = () =>
      store.database.db
        .selectFrom('policyActivations')
        .select(['digest', 'by', 'cause'])
        .orderBy('number')
        .execute();
    const mine = policyFile(t, embedded);
    const theirs = policyFile(t, embedded);

    const one = await startReplica(t, { source: mine.path, ledger, by: 'one' });
    const other = await startReplica(t, { source: theirs.path, ledger, by: 'other' });
    const late = await startReplica(t, { source: theirs.path, ledger: deaf(ledger), by: 'late' });

    await t.test('a file that was never seen becomes active at the start, once', async t => {
      t.same(await activations(), [{ digest: wide, by: 'one', cause: 'start' }]);
      for (const replica of [one, other, late])
        t.match(replica.state(), { digest: wide, activatedBy: 'one', reason: null });
    });

    await t.test('a change of one file is taken over by all: by NOTIFY, or else by interval', async t => {
      // Twice: who watches the file that is replaced sees only the first.
      for (const [text, digest] of [
        [narrowest, narrowestDigest],
        [narrower, narrow],
      ] as const) {
        mine.replace(text);
        await eventually('the change to be noticed', async () => one.clock.waits(settling));
        one.clock.pass(settling);
        await one.uses(digest);
      }
      await other.uses(narrow);
      t.match(other.state(), { activatedBy: 'one', reason: 'superseded', counts: { refused: 0 } });
      t.equal(late.current().digest, wide, 'this one was not told');
      await late.interlude();
      t.equal(late.current().digest, narrow);
      t.match(one.state(), { reason: null });
    });

    await t.test('a superseded file does not come back by a mere start, but by a signal', async t => {
      const again = await startReplica(t, { source: theirs.path, ledger, by: 'again' });
      t.equal(again.current().digest, narrow);
      t.match(again.warnings(), [/was active before and another came after it/]);
      await again.interlude();
      t.match(again.state(), { digest: narrow, reason: 'superseded' });
      t.equal(again.warnings().length, 1, 'which is said once');
      await again.reload();
      t.match(again.state(), { digest: wide, activatedBy: 'again', reason: null });
      await one.uses(wide);
      t.match((await activations()).at(-1), { digest: wide, by: 'again', cause: 'signal' });
    });

    await t.test('and by a change of the file while it runs', async t => {
      mine.replace(narrowest);
      await one.interlude();
      t.equal(one.current().digest, narrowestDigest);
      mine.replace(embedded);
      await one.interlude();
      t.match(one.state(), { digest: wide, reason: null });
      await other.uses(wide);
      t.match(
        (await activations()).slice(-2).map(({ cause }) => cause),
        ['change', 'change'],
      );
    });

    await t.test('replicas that bring different policies at once agree on one', async t => {
      const files = [narrower, narrowest, embedded].map(text => policyFile(t, `${text}\n# the same\n`));
      const replicas = await Promise.all(
        files.map(({ path }, index) => startReplica(t, { source: path, ledger, by: `new ${index}` })),
      );
      await Promise.all(replicas.map(replica => replica.reload()));
      const active = (await ledger.active())?.digest ?? '';
      for (const replica of [...replicas, one, other]) await replica.uses(active);
      for (const replica of [...replicas, one, other]) t.equal(replica.state().digest, active);
    });

    await t.test('a policy in the store that cannot be used here is not, and said once', async t => {
      const before = one.current().digest;
      const files = [{ name: 'newer.yaml', text: 'version: 2' }];
      const stranger = { digest: 'f'.repeat(64), files, at: new Date(), by: 'newer' };
      await ledger.activate({ ...stranger, cause: 'start', onlyNew: true });
      await eventually('the refusal', async () => one.state().reason === 'notAdopted');
      await one.interlude();
      t.match(one.state(), { digest: before, reason: 'notAdopted', counts: { refused: 1 } });
      t.match(one.warnings().at(-1), /newer\.yaml/);

      const forged = { ...stranger, digest: 'e'.repeat(64), files: [{ name: 'a', text: narrower }] };
      await ledger.activate({ ...forged, cause: 'start', onlyNew: true });
      await eventually('the refusal', async () => one.state().counts.refused === 2);
      t.match(one.warnings().at(-1), /another digest/);

      const old = policyFile(t, narrower);
      await t.rejects(startReplica(t, { source: old.path, ledger, by: 'older' }), {
        name: 'PolicyError',
        message: /the active policy e{64} cannot be used here, and what is given was active before/,
      });

      await one.reload();
      t.match(one.state(), { reason: null });
    });
  });
}

t.test('what cannot be used never replaces what can', async t => {
  const store = await openTestStore(t, await testDatabase(t));
  const ledger = createPolicyLedger(store.database, store.jobs);
  const bad = policyFile(t, invalid);

  await t.test('without another one there is no start', async t => {
    const error = await startReplica(t, { source: bad.path, ledger }).catch(error => error);
    t.ok(error instanceof PolicyError);
    t.match(error.message, /policy\.yaml:\d+: \/teams\/demo\/vaults\/0 names a vault 'no-vault'/);
    t.throws(() => openFileSource('/nowhere/policy.yaml'), PolicyError);
    t.equal(await ledger.active(), null);
  });

  const file = policyFile(t, embedded);
  const replica = await startReplica(t, { source: file.path, ledger });
  for (const [what, text, line] of [
    ['one that contradicts itself', invalid, /policy\.yaml:\d+: .*'no-vault'/],
    ['one whose own test fails', failing, /policy\.yaml:\d+: expects allow, and the policy says deny/],
    ['one that is no YAML', 'teams: [', /policy\.yaml:1/],
    ['an alias that leads nowhere', 'teams: *nowhere', /policy\.yaml/],
    ['an empty file', '', /policy\.yaml: must be a mapping/],
  ] as const)
    await t.test(what, async t => {
      const { refused } = replica.state().counts;
      const warned = replica.warnings().length;
      file.replace(text);
      await replica.interlude();
      await replica.interlude();
      t.match(replica.state(), { digest: wide, reason: 'invalid', counts: { refused: refused + 1 } });
      t.equal(replica.warnings().length, warned + 1, 'said once');
      t.match(replica.warnings().at(-1), line);
      await replica.reload();
      t.equal(replica.state().counts.refused, refused + 2, 'but a signal is always answered');
      file.replace(embedded);
      await replica.interlude();
      t.match(replica.state(), { digest: wide, reason: null });
    });

  await t.test('a file that is gone, and comes back', async t => {
    rmSync(file.path);
    await replica.interlude();
    t.match(replica.state(), { digest: wide, reason: 'unreadable' });
    file.replace(embedded);
    await replica.interlude();
    t.match(replica.state(), { digest: wide, reason: null });
  });

  await t.test('a start with a bad file uses what is active', async t => {
    const again = await startReplica(t, { source: bad.path, ledger });
    t.match(again.state(), { digest: wide, reason: 'invalid', counts: { refused: 1 } });
    t.match(again.warnings(), [/'no-vault'/]);
    bad.replace(narrower);
    await again.interlude();
    t.match(again.state(), { digest: narrow, reason: null });
    await replica.uses(narrow);
  });

  await t.test('a source that can be read only later is as one at the start', async t => {
    let out = true;
    const read: PolicySource['read'] = async () => {
      if (out) throw new PolicyError([{ place: 'https://far', message: 'cannot be read' }]);
      return [{ name: 'https://far', text: embedded }];
    };
    const again = await startReplica(t, { source: { read, watch: () => () => {} }, ledger });
    t.match(again.state(), { digest: narrow, reason: 'unreadable' });
    out = false;
    await again.interlude();
    t.match(again.state(), { digest: narrow, reason: 'superseded' }, 'the old one is not brought back');
  });

  await t.test('a store that is out loses no change', async t => {
    let out = false;
    const flaky: PolicyLedger = {
      ...ledger,
      activate: async policy => {
        if (out) throw new Error('the store is out');
        return ledger.activate(policy);
      },
    };
    const own = policyFile(t, narrower);
    const again = await startReplica(t, { source: own.path, ledger: flaky });
    out = true;
    own.replace(narrowest);
    await again.interlude();
    t.equal(again.current().digest, narrow);
    out = false;
    await again.interlude();
    t.equal(again.current().digest, narrowestDigest);
  });
});

t.test('a directory is followed too, and closing leaves nothing behind', async t => {
  const store = await openTestStore(t, await testDatabase(t));
  const ledger = createPolicyLedger(store.database, store.jobs);
  const { directory } = policyFile(t, embedded);
  mkdirSync(join(directory, 'not-a-policy'));
  const replica = await startReplica(t, { source: directory, ledger });
  writeFileSync(
    join(directory, 'more.yaml'),
    'expect:\n  - { team: demo, server: evil.example, decision: deny }\n',
  );
  await eventually('the change to be noticed', async () => replica.clock.waits(settling));
  replica.clock.pass(settling);
  await eventually('the second file to count', async () => replica.current().policy.expect?.length === 5);
  await replica.close();
  t.notOk(replica.clock.waits(interval), 'no interval goes on');
});
