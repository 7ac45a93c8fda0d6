import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { environment } from '../config.ts';
import { createLog } from '../log.ts';
import { type LoggedHead, type Verdict, verifyAudit } from '../store/audit-verify.ts';
import { openDatabase } from '../store/database.ts';
import { StoreError } from '../store/store-error.ts';
import { asWorker } from '../store/walls.ts';
import { type Command, UsageError } from './command.ts';

const broken = 1;
const notLookedAt = 3;

export const auditVerify: Command = {
  usage: 'audit verify [--database URL] [--heads FILE]',
  summary:
    'Check the chain of the audit, and with the heads in a log also its end. 0: whole, 1: not, 3: it could not be read',

  async run(args) {
    const { values } = parseArgs({
      args,
      options: { database: { type: 'string' }, heads: { type: 'string' } },
    });
    const heads = values.heads === undefined ? [] : readHeads(values.heads);
    try {
      return tell(await verify(values.database ?? environment.DATABASE_URL, heads), heads);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      console.error(error.message);
      return notLookedAt;
    }
  },
};

async function verify(url: string | undefined, heads: readonly LoggedHead[]): Promise<Verdict> {
  const place = url ? { url } : { directory: environment.SLIPWAY_DATA || '.slipway' };
  const database = await openDatabase({ ...place, log: createLog({ level: 'warn' }) });
  try {
    return await asWorker(database.db, trx => verifyAudit(trx, heads));
  } finally {
    await database.close();
  }
}

function tell(
  { batches, pruned, rows, head, unsealed, faults }: Verdict,
  heads: readonly LoggedHead[],
): number {
  for (const fault of faults) console.log(fault);
  const past = pruned > 0 ? `; those up to batch ${pruned} are deleted, their time was over` : '';
  const whole = `${rows} rows in ${batches - pruned} batches, newest head ${head ?? 'none'}${past}`;
  const waiting = unsealed > 0 ? `; ${unsealed} rows are not sealed yet` : '';
  if (faults.length > 0) console.log(`The audit was changed (${faults.length} places): ${whole}${waiting}.`);
  else if (heads.length > 0) console.log(`The audit is whole, as the log has it: ${whole}${waiting}.`);
  else
    console.log(
      `The audit agrees with itself: ${whole}${waiting}. Whether its end was cut off is seen with --heads only.`,
    );
  return faults.length > 0 ? broken : 0;
}

/** From log lines, whatever else stands between them; what collected them may have put something before each. */
function readHeads(file: string): LoggedHead[] {
  const heads = readFileSync(file, 'utf8')
    .split('\n')
    .flatMap(line => readHead(line));
  if (heads.length === 0)
    throw new UsageError(`${file} has no head of the audit: give log lines that say 'the audit is sealed'`);
  return heads;
}

function readHead(line: string): LoggedHead[] {
  try {
    const { batch, head } = JSON.parse(line.slice(line.indexOf('{'))).audit;
    return Number.isInteger(batch) && typeof head === 'string' ? [{ batch, head }] : [];
  } catch {
    return [];
  }
}
