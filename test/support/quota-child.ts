import { createLog } from '../../src/log.ts';
import { openDatabase } from '../../src/store/database.ts';
import { createDeploymentStore } from '../../src/store/deployments.ts';
import { startJobs } from '../../src/store/jobs.ts';
import { countLive, limited, usedOf } from './quota.ts';

/**
 * A process to be killed: says `live N used M` of what it finds, then six writers use a quota up while a worker frees it
 * again, for ever. Says `accepted` or `refused` for each answer.
 */
const [kind, place = ''] = process.argv.slice(2);
const log = createLog({ level: 'error' });
const database = await openDatabase({
  ...(kind === 'postgres' ? { url: place } : { directory: place }),
  log,
});
const jobs = await startJobs(database, { log });
const store = createDeploymentStore(database, jobs);
console.log(`live ${await countLive(database)} used ${await usedOf(store)}`);

await jobs.work(
  async claim => {
    const row = await store.load(claim.deployment);
    if (!row?.holdsName) return store.drop(claim, row);
    const freed = { holdsName: false };
    await store.settle(claim, row, { to: 'Failed', now: new Date(), patch: freed, outcome: 'Failed' });
  },
  { concurrency: 2 },
);

async function acceptForEver(): Promise<never> {
  for (;;) {
    const { outcome } = await store.accept(limited());
    console.log(outcome === 'accepted' ? 'accepted' : 'refused');
  }
}

await Promise.all(Array.from({ length: 6 }, acceptForEver));
