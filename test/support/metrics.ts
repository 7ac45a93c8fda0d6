/** What an exposition says, by name and labels. */
export interface ParsedMetrics {
  names: Set<string>;
  /** The sample of this name with these labels among its own. */
  value(name: string, labels?: Record<string, string>): number | undefined;
}

const comment = /^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)$/;
const sample = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (-?(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?|Inf)|\+Inf|NaN)$/i;
const label = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)/y;

/** Reads Prometheus' text format, and throws for every line that is not in it or has no type. */
export function parseMetrics(text: string): ParsedMetrics {
  const types = new Set<string>();
  const samples: { name: string; labels: Record<string, string>; value: number }[] = [];
  for (const line of text.split('\n').filter(Boolean)) {
    const [, kind, typed] = comment.exec(line) ?? [];
    if (kind === 'TYPE' && typed) types.add(typed);
    if (line.startsWith('#')) {
      if (!kind) throw new Error(`not a comment of the format: ${line}`);
      continue;
    }
    const [, name, labels = '', value] = sample.exec(line) ?? [];
    if (!name || value === undefined) throw new Error(`not a sample: ${line}`);
    if (!types.has(name) && !types.has(name.replace(/_(?:bucket|sum|count)$/, '')))
      throw new Error(`it has no type: ${line}`);
    samples.push({ name, labels: parseLabels(labels), value: Number(value.replace('Inf', 'Infinity')) });
  }
  return {
    names: new Set(samples.map(({ name }) => name)),
    value: (wanted, among = {}) =>
      samples.find(
        ({ name, labels }) =>
          name === wanted && Object.entries(among).every(([key, value]) => labels[key] === value),
      )?.value,
  };
}

function parseLabels(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  label.lastIndex = 0;
  while (label.lastIndex < text.length) {
    const [, key, value] = label.exec(text) ?? [];
    if (!key || value === undefined) throw new Error(`not labels: ${text}`);
    labels[key] = value.replace(/\\([\\"n])/g, (_all, escaped) => (escaped === 'n' ? '\n' : escaped));
  }
  return labels;
}
