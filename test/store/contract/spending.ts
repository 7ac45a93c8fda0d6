import type { Test } from 'tap';
import { createSpentTokens } from '../../../src/store/spent-tokens.ts';
import type { TestStore } from '../../support/store.ts';

export async function spending(t: Test, { database }: TestStore): Promise<void> {
  // Two replicas on one store.
  const [one, other] = [createSpentTokens(database), createSpentTokens(database)];
  const now = new Date('2026-11-24T08:00:00Z');
  const later = (minutes: number) => new Date(now.getTime() + minutes * 60_000);

  await t.test('a token is spent once, wherever it is shown', async t => {
    t.equal(await one.spend('a', later(10), now), true);
    t.equal(await other.spend('a', later(10), now), false);
    const several = [one, other, one, other, one].map(replica => replica.spend('b', later(10), now));
    t.equal((await Promise.all(several)).filter(Boolean).length, 1);
  });

  await t.test('what has expired is forgotten, and nothing else', async t => {
    t.equal(await one.spend('c', later(10), later(9)), true);
    t.equal(await one.spend('a', later(10), later(9)), false);
    await one.spend('d', later(30), later(11));
    const rows = await database.db.selectFrom('spentTokens').select('tokenHash').execute();
    t.same(rows, [{ tokenHash: 'd' }]);
  });
}
