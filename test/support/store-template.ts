import { createHash, randomBytes } from 'node:crypto';
import {
  constants,
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');
const cache = join(root, 'node_modules/.cache/slipway');

/**
 * Puts an embedded store with all its tables into a directory that has none: a copy of one that is made once, since a first
 * start takes seconds. Any number of test processes may ask at once.
 */
export async function seedStore(directory: string): Promise<void> {
  const template = join(cache, `store-${digest()}`);
  if (!existsSync(template)) await makeTemplate(template);
  mkdirSync(directory, { recursive: true });
  cpSync(join(template, 'store'), join(directory, 'store'), {
    recursive: true,
    mode: constants.COPYFILE_FICLONE,
  });
}

async function makeTemplate(template: string): Promise<void> {
  removeOld();
  // Not loaded where the template is there already: PGlite alone takes a while.
  const { createLog } = await import('../../src/log.ts');
  const { openDatabase } = await import('../../src/store/database.ts');
  const { startJobs } = await import('../../src/store/jobs.ts');
  const log = createLog({ level: 'silent' });
  const growing = `${template}.${randomBytes(6).toString('hex')}`;
  try {
    const database = await openDatabase({ directory: growing, log });
    const jobs = await startJobs(database, { log });
    await jobs.stop();
    await database.close();
    if (!existsSync(template)) renameSync(growing, template);
  } catch (error) {
    // Another process was faster; its template is as good.
    if (!existsSync(template)) throw error;
  } finally {
    rmSync(growing, { recursive: true, force: true });
  }
}

/** Those of former versions; what is young may be in use by another process. */
function removeOld(): void {
  const dayAgo = Date.now() - 24 * 3_600_000;
  for (const name of globSync('store-*', { cwd: cache })) {
    const path = join(cache, name);
    if (statSync(path).mtimeMs < dayAgo) rmSync(path, { recursive: true, force: true });
  }
}

/** Whatever may change what a fresh store looks like. */
function digest(): string {
  const sources = globSync('src/store/{migrations/*,migrations,walls,embedded,durable-files,jobs}.ts', {
    cwd: root,
  });
  const versions = ['@electric-sql/pglite', 'pg-boss'].map(name => `node_modules/${name}/package.json`);
  const hash = createHash('sha256');
  for (const path of [...sources.sort(), ...versions]) hash.update(readFileSync(join(root, path)));
  return hash.digest('hex').slice(0, 16);
}
