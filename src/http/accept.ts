/**
 * Which of the types that are offered the caller likes best (RFC 9110, 12.5.1); the first where he has no say, and also
 * where he takes none of them, as the RFC allows.
 */
export function preferred<const T extends readonly [string, ...string[]]>(
  header: string | undefined,
  offered: T,
): T[number] {
  const ranges = (header ?? '*/*').toLowerCase().split(',').map(readRange);
  const liked = offered.map(type => ({ type, quality: qualityOf(type, ranges) }));
  return liked.reduce((best, one) => (one.quality > best.quality ? one : best)).type;
}

interface Range {
  type: string;
  quality: number;
}

function readRange(text: string): Range {
  const [type = '', ...parameters] = text.split(';').map(part => part.trim());
  const q = parameters.find(parameter => parameter.startsWith('q='))?.slice(2) ?? '1';
  return { type, quality: /^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.test(q) ? Number(q) : 0 };
}

/** The most specific range counts. */
function qualityOf(type: string, ranges: readonly Range[]): number {
  for (const wanted of [type, `${type.split('/')[0]}/*`, '*/*']) {
    const range = ranges.find(each => each.type === wanted);
    if (range) return range.quality;
  }
  return 0;
}
