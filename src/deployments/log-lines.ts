import { createHash } from 'node:crypto';
import { stripVTControlCharacters } from 'node:util';
import { scrub } from '../secret.ts';

/** A line of a container's log, as Azure gives it. */
export interface LogLine {
  /** As the line says it (RFC 3339, to the nanosecond); empty where it says none. */
  at: string;
  text: string;
}

/** A line that is told apart from all others: by its instant, which of that instant it is, and what it says. */
export interface Anchor {
  at: string;
  ordinal: number;
  digest: string;
}

/** What a log has, or its end of so many lines. */
export interface LogWindow {
  lines: LogLine[];
  /** Begins where the log begins. */
  whole: boolean;
}

const stamped = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z) ?(.*)$/s;

/** Reads a log with timestamps. `open`: its last line has no end yet, and may grow. */
export function parseLog(content: string): { lines: LogLine[]; open: LogLine | null } {
  const texts = content.split('\n');
  const last = texts.pop() ?? '';
  let before = '';
  const lineOf = (text: string): LogLine => {
    const [, at = before, rest = text] = stamped.exec(text) ?? [];
    before = at;
    return { at, text: rest.endsWith('\r') ? rest.slice(0, -1) : rest };
  };
  const lines = texts.map(lineOf);
  const open = last === '' ? null : lineOf(last);
  // Where a log is cut off at its beginning, half a line stands there.
  const isCut = lines[0]?.at === '' && lines.some(({ at }) => at !== '');
  return { lines: isCut ? lines.slice(1) : lines, open };
}

/**
 * The lines behind the anchor, each with its own. `gap`: some before them are lost, since the log was cut off or begun anew
 * in between; `lost`: the anchor is not in this window, and may be in a larger one.
 */
export function linesAfter(
  { lines, whole }: LogWindow,
  anchor: Anchor | null,
): { fresh: { line: LogLine; anchor: Anchor }[]; gap: boolean; lost: boolean } {
  const anchors = anchorsOf(lines);
  const all = lines.map((line, index) => ({ line, anchor: anchors[index] as Anchor }));
  if (anchor === null) return { fresh: all, gap: false, lost: !whole };
  const place = placeOf(anchors, anchor, whole);
  if (place >= 0) return { fresh: all.slice(place + 1), gap: false, lost: false };
  const later = all.filter(({ line }) => order(line.at) > order(anchor.at));
  return { fresh: later.length > 0 ? later : [], gap: later.length > 0, lost: !whole };
}

function anchorsOf(lines: readonly LogLine[]): Anchor[] {
  const counts = new Map<string, number>();
  return lines.map(({ at, text }) => {
    const ordinal = (counts.get(at) ?? 0) + 1;
    counts.set(at, ordinal);
    return { at, ordinal, digest: digestOf(text) };
  });
}

const digestOf = (text: string) => createHash('sha256').update(text).digest('base64url').slice(0, 8);

/** Of equal lines of one instant the count decides, where all of that instant are there to be counted. */
function placeOf(anchors: readonly Anchor[], { at, ordinal, digest }: Anchor, whole: boolean): number {
  const same = (other: Anchor) => other.at === at && other.digest === digest;
  const [first] = anchors;
  const counted = whole || (first !== undefined && order(first.at) < order(at));
  const exact = anchors.findIndex(other => same(other) && other.ordinal === ordinal);
  return counted && exact >= 0 ? exact : anchors.findIndex(same);
}

/** Instants of any precision in the order of time, as text. */
const order = (at: string) =>
  at.replace(/(?:\.(\d+))?Z$/, (_whole, fraction = '') => `.${fraction.padEnd(9, '0')}Z`);

export const writeAnchor = ({ at, ordinal, digest }: Anchor): string => `${at}~${ordinal}~${digest}`;

/** Null where the text is no anchor of ours. */
export function readAnchor(text: string): Anchor | null {
  const [, at, ordinal, digest] = /^([0-9TZ:.-]{0,32})~([1-9]\d{0,8})~([\w-]{8})$/.exec(text) ?? [];
  return at === undefined || digest === undefined ? null : { at, ordinal: Number(ordinal), digest };
}

/** For a reader's eyes: nothing that moves his terminal's cursor, sets its title or writes its clipboard, and no secret. */
export function readable(text: string): string {
  return (
    stripVTControlCharacters(scrub(text))
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
      .replaceAll(/[\0-\x08\x0b-\x1f\x7f-\x9f]/g, '')
      .toWellFormed()
  );
}
