import { createWriteStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import { environment } from '../config.ts';
import { createLog } from '../log.ts';
import { type Database, openDatabase } from '../store/database.ts';
import { StoreError } from '../store/store-error.ts';
import { exportStore, importStore } from '../store/transfer.ts';
import { type Command, UsageError } from './command.ts';

const log = createLog({ level: 'warn' });

export const storeExport: Command = {
  usage: 'store export FILE [--database URL]',
  summary:
    'Write the whole store as lines of JSON, from PostgreSQL or from SLIPWAY_DATA. Stop Slipway before',
  run: args =>
    withStore(args, async (database, file) => {
      let lines = 0;
      const text = async function* () {
        for await (const line of exportStore(database)) {
          lines += 1;
          yield `${line}\n`;
        }
      };
      // Records of all teams: nobody else's to read.
      await pipeline(Readable.from(text()), createWriteStream(file, { flags: 'wx', mode: 0o600 }));
      console.log(`${lines - 1} rows of the ${database.kind} store are in ${file}.`);
    }),
};

export const storeImport: Command = {
  usage: 'store import FILE [--database URL]',
  summary: 'Put an exported store into an empty one: a new PostgreSQL database, or another SLIPWAY_DATA',
  run: args =>
    withStore(args, async (database, file) => {
      const rows = await importStore(database, readLines(file), { log });
      console.log(`${rows} rows of ${file} are in the ${database.kind} store.`);
    }),
};

async function withStore(
  args: string[],
  work: (database: Database, file: string) => Promise<void>,
): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    options: { database: { type: 'string' } },
    allowPositionals: true,
  });
  const [file, ...others] = positionals;
  if (!file || others.length > 0) throw new UsageError('It takes one FILE.');
  const url = values.database ?? environment.DATABASE_URL;
  const place = url ? { url } : { directory: environment.SLIPWAY_DATA || '.slipway' };
  try {
    await using parts = new AsyncDisposableStack();
    const database = await openDatabase({ ...place, log });
    parts.defer(() => database.close());
    await work(database, file);
    return 0;
  } catch (error) {
    const isExpected = error instanceof StoreError || (error instanceof Error && 'syscall' in error);
    if (!isExpected) throw error;
    console.error(error.message);
    return 1;
  }
}

/** Opened when the first line is read: what is read before anybody listens is lost (measured). */
async function* readLines(file: string): AsyncGenerator<string> {
  const handle = await open(file);
  yield* handle.readLines();
}
