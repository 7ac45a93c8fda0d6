import { createLog } from '../../src/log.ts';
import { openDatabase } from '../../src/store/database.ts';
import { createDeploymentStore } from '../../src/store/deployments.ts';
import { startJobs } from '../../src/store/jobs.ts';
import { acceptance } from './store.ts';

/**
 * A process to be killed: claims one deployment and never lets it go, then accepts others, 8 at once, for ever. Says
 * `holding ID`, and `accepted ID` for each that was acknowledged.
 */
const [kind, place = ''] = process.argv.slice(2);
const log = createLog({ level: 'error' });
const database = await openDatabase({
  ...(kind === 'postgres' ? { url: place } : { directory: place }),
  log,
});
const jobs = await startJobs(database, { log });
const store = createDeploymentStore(database, jobs);

const held = acceptance({ name: 'held' });
const holding = Promise.withResolvers<void>();
await jobs.work(
  async claim => {
    if (claim.deployment !== held.id) return store.drop(claim, await store.load(claim.deployment));
    console.log(`holding ${held.id}`);
    holding.resolve();
    await new Promise(() => {});
  },
  { concurrency: 2 },
);
await store.accept(held);
await holding.promise;

async function acceptForEver(writer: number): Promise<never> {
  for (let n = 0; ; n += 1) {
    const asked = acceptance({ name: `writer-${writer}-${n}`, team: `team-${writer}` });
    await store.accept(asked);
    console.log(`accepted ${asked.id}`);
  }
}

await Promise.all(Array.from({ length: 8 }, (_, writer) => acceptForEver(writer)));
