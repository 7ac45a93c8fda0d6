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

export const median = (values: readonly number[]): number => quantile(values, 0.5);

/** Between two of the values where it falls between them. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((one, other) => one - other);
  const place = (sorted.length - 1) * share;
  const [low = Number.NaN, high = low] = [sorted[Math.floor(place)], sorted[Math.ceil(place)]];
  return low + (high - low) * (place - Math.floor(place));
}
