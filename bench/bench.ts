import { measureApi } from './api.ts';
import { measureBurst } from './burst.ts';
import { measureEmulator } from './emulator.ts';
import { measureHistory } from './history.ts';
import { measurePreflight } from './preflight.ts';
import { measureProcess } from './process.ts';
import type { Row } from './row.ts';
import { measureRunning } from './running.ts';

/** By the word that picks them: `npm run bench -- preflight`. */
const groups: Record<string, () => Promise<Row[]>> = {
  preflight: measurePreflight,
  emulator: measureEmulator,
  api: measureApi,
  running: measureRunning,
  process: measureProcess,
  history: measureHistory,
  burst: measureBurst,
};

/** Measures, and prints the rows: as a table, or with `--json` as JSON. Fails where a goal is missed. */
async function main(args: string[]): Promise<void> {
  const picked = args.filter(arg => !arg.startsWith('--'));
  const unknown = picked.find(name => !Object.hasOwn(groups, name));
  if (unknown) throw new Error(`there is no '${unknown}': there are ${Object.keys(groups).join(', ')}`);
  const rows: Row[] = [];
  for (const [name, measure] of Object.entries(groups))
    if (picked.length === 0 || picked.includes(name)) rows.push(...(await measure()));
  console.log(args.includes('--json') ? JSON.stringify(rows, null, 2) : tableOf(rows));
  if (rows.some(({ met }) => !met)) process.exitCode = 1;
}

function tableOf(rows: readonly Row[]): string {
  const cells = [
    ['figure', 'value', 'base', 'ratio', 'goal', 'met', 'bound'],
    ...rows.map(({ figure, value, base, ratio, goal, met, bound = '' }) =>
      [figure, value, base ?? '-', ratio ?? '-', goal, met ? 'yes' : 'NO', bound].map(String),
    ),
  ];
  const widths = cells[0]?.map((_, column) => Math.max(...cells.map(row => row[column]?.length ?? 0))) ?? [];
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
