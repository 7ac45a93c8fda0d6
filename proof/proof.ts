import { parseArgs } from 'node:util';
import { proveDatabase } from './database.ts';
import { proveDisk } from './disk.ts';
import { proveFaults } from './faults.ts';
import { proveKills } from './kills.ts';
import { proveOneDirectory } from './one-directory.ts';
import { provePower } from './power.ts';
import { proveRolling } from './rolling.ts';
import { type Row, tell } from './row.ts';
import { proveSimulation } from './simulation/simulation.ts';
import { proveSoak } from './soak.ts';
import { proveStops } from './stops.ts';
import { proveStorm } from './storm.ts';
import { proveVaultReads } from './vault-reads.ts';

interface Options {
  full: boolean;
  /** The only seed that the simulation runs. */
  seed: number | null;
}

type Prove = (options: Options) => Promise<Row[]>;

/** By the word that picks them: `npm run proof -- kills`. The longest come first. */
const parts: Record<string, Prove> = {
  kills: proveKills,
  storm: proveStorm,
  faults: proveFaults,
  simulation: proveSimulation,
  stops: proveStops,
  rolling: proveRolling,
  power: provePower,
  directory: proveOneDirectory,
  disk: proveDisk,
  database: proveDatabase,
  vault: proveVaultReads,
  soak: proveSoak,
};

/** Proves, and prints the rows: as a table, or with `--json` as JSON. Fails where a point failed or was not reached. */
async function main(args: string[]): Promise<void> {
  const { values, positionals: picked } = parseArgs({
    args,
    allowPositionals: true,
    options: { full: { type: 'boolean' }, json: { type: 'boolean' }, seed: { type: 'string' } },
  });
  const unknown = picked.find(name => !Object.hasOwn(parts, name));
  if (unknown) throw new Error(`there is no '${unknown}': there are ${Object.keys(parts).join(', ')}`);
  const chosen = Object.entries(parts).filter(([name]) => picked.length === 0 || picked.includes(name));
  const seed = values.seed === undefined ? null : readSeed(values.seed);
  const rows = await proveAll(chosen, { full: values.full ?? false, seed });
  console.log(values.json ? JSON.stringify(rows, null, 2) : tableOf(rows));
  if (rows.some(({ met }) => !met)) process.exitCode = 1;
}

function readSeed(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new Error(`--seed takes a whole number from 0, not '${text}'`);
  return Number(text);
}

/** Two at a time: most of it is waiting. Each has a world and a store of its own. */
async function proveAll(chosen: [string, Prove][], options: Options): Promise<Row[]> {
  const left = chosen.entries();
  const found: Row[][] = [];
  const work = async () => {
    for (const [place, [name, prove]] of left) {
      const begun = performance.now();
      found[place] = await prove(options);
      tell(`${name}: ${Math.round((performance.now() - begun) / 1_000)} s`);
    }
  };
  await Promise.all([work(), work()]);
  return found.flat();
}

function tableOf(rows: readonly Row[]): string {
  const cells = [
    ['figure', 'planned', 'executed', 'skipped', 'failed', 'met'],
    ...rows.map(({ figure, planned, executed, skipped, failed, met }) =>
      [figure, planned, executed, skipped, failed, met ? 'yes' : 'NO'].map(String),
    ),
  ];
  const widths = [0, 1, 2, 3, 4, 5].map(column => Math.max(...cells.map(row => row[column]?.length ?? 0)));
  return cells
    .map(row =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

await main(process.argv.slice(2));
