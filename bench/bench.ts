import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { within } from '../proof/scope.ts';
import { groups, type StoreName } from './groups.ts';
import { findServer } from './postgres.ts';
import type { Row } from './row.ts';

/** Measures, and prints the rows: as a table, or with `--json` as JSON. Fails where a goal is missed or not measured. */
async function main(args: string[]): Promise<void> {
  const picked = args.filter(arg => !arg.startsWith('--'));
  const unknown = picked.find(name => !Object.hasOwn(groups, name));
  if (unknown) throw new Error(`there is no '${unknown}': there are ${Object.keys(groups).join(', ')}`);
  const { rows, notRun } = await measure(picked.length > 0 ? picked : Object.keys(groups));
  console.log(args.includes('--json') ? JSON.stringify(rows, null, 2) : tableOf(rows));
  for (const what of notRun) console.error(`NOT RUN: ${what}`);
  if (notRun.length > 0 || rows.some(({ met }) => !met)) process.exitCode = 1;
}

async function measure(names: readonly string[]): Promise<{ rows: Row[]; notRun: string[] }> {
  return within(async scope => {
    const runs = names.flatMap(name => (groups[name]?.stores ?? []).map(store => ({ name, store })));
    const server = runs.some(({ store }) => store === 'PostgreSQL') ? await findServer(scope) : null;
    const rows: Row[] = [];
    const notRun: string[] = [];
    for (const run of runs) {
      const begun = performance.now();
      const found = await measureOn(run, server);
      if (typeof found === 'string') notRun.push(found);
      else rows.push(...found);
      console.error(`${run.name} on ${run.store}: ${Math.round((performance.now() - begun) / 1_000)} s`);
    }
    return { rows, notRun };
  });
}

/** The rows, or why there are none: the others are measured all the same. */
async function measureOn(
  { name, store }: { name: string; store: StoreName },
  server: string | null,
): Promise<Row[] | string> {
  if (store === 'PGlite') return measureApart(name, null);
  if (server !== null) return measureApart(name, server);
  return `${name} on PostgreSQL: none, 15 or newer, is installed here, and DATABASE_URL names none`;
}

/** In a process of its own: what one group leaves behind is no burden to the next. */
async function measureApart(name: string, server: string | null): Promise<Row[] | string> {
  const { DATABASE_URL: _, ...env } = process.env;
  const child = fork(join(import.meta.dirname, 'group-process.ts'), [name], {
    env: server === null ? env : { ...env, DATABASE_URL: server },
  });
  const ended = once(child, 'exit');
  const told = once(child, 'message');
  await Promise.race([told, ended]);
  const [code] = await ended;
  if (code !== 0) return `${name}: it ended with ${code}; why stands above`;
  const [rows] = await told;
  return rows;
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
