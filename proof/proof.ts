import { proveFaults } from './faults.ts';
import { proveKills } from './kills.ts';
import { proveOneDirectory } from './one-directory.ts';
import { provePower } from './power.ts';
import { type Row, tell } from './row.ts';
import { proveSoak } from './soak.ts';
import { proveStops } from './stops.ts';
import { proveStorm } from './storm.ts';
import { proveVaultReads } from './vault-reads.ts';

interface Options {
  full: boolean;
}

type Prove = (options: Options) => Promise<Row[]>;

/** By the word that picks them: `npm run proof -- kills`. The longest come first. */
const parts: Record<string, Prove> = {
  kills: proveKills,
  storm: proveStorm,
  faults: proveFaults,
  stops: proveStops,
  power: provePower,
  directory: proveOneDirectory,
  vault: proveVaultReads,
  soak: proveSoak,
};

/** Proves, and prints the rows: as a table, or with `--json` as JSON. Fails where a point failed or was not reached. */
async function main(args: string[]): Promise<void> {
  const picked = args.filter(arg => !arg.startsWith('--'));
  const unknown = picked.find(name => !Object.hasOwn(parts, name));
  if (unknown) throw new Error(`there is no '${unknown}': there are ${Object.keys(parts).join(', ')}`);
  const chosen = Object.entries(parts).filter(([name]) => picked.length === 0 || picked.includes(name));
  const rows = await proveAll(chosen, { full: args.includes('--full') });
  console.log(args.includes('--json') ? JSON.stringify(rows, null, 2) : tableOf(rows));
  if (rows.some(({ met }) => !met)) process.exitCode = 1;
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
