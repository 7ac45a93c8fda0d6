/** Rows under their heads, each column as wide as it has to be. */
export function inColumns(rows: string[][]): string {
  const widths = (rows[0] ?? []).map((_, at) => Math.max(...rows.map(row => row[at]?.length ?? 0)));
  const line = (row: string[]) => row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join('  ');
  return rows.map(row => line(row).trimEnd()).join('\n');
}
