/** One line of the table. `value` is what was measured, `base` what it is compared with, `ratio` the one by the other. */
export interface Row {
  figure: string;
  value: number;
  base: number | null;
  ratio: number | null;
  goal: string;
  met: boolean;
  /** What keeps it from being better, where that is known. */
  bound?: string;
}

/** A figure against its base, which it must not exceed by more than `most`. */
export function compared(figure: string, value: number, base: number, most: number): Row {
  const ratio = rounded(value / base);
  return { figure, value: rounded(value), base: rounded(base), ratio, goal: `< ${most}x`, met: ratio < most };
}

export const rounded = (value: number) => Math.round(value * 100) / 100;

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? Number.NaN)
    : ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2;
}
