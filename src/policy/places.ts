import { type Document, isMap, isNode, isScalar, type LineCounter } from 'yaml';

/** One file of a policy, as it was written. */
export interface PolicyFile {
  /** Its path, or its address. */
  name: string;
  text: string;
}

/** A file whose lines can be named. */
export interface Source {
  file: string;
  document: Document;
  lines: LineCounter;
  content: Record<string, unknown>;
}

export const isMapping = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const placeOfOffset = ({ file, lines }: Source, offset: number) =>
  `${file}:${lines.linePos(offset).line}`;

type Path = (string | number)[];

/** The line of the nearest node that the pointer names, in the file that has it. */
export function placeOf(sources: readonly Source[], pointer: string): string {
  const path: Path = pointer
    .split('/')
    .slice(1)
    .map(part => (/^\d+$/.test(part) ? Number(part) : part.replaceAll('~1', '/').replaceAll('~0', '~')));
  const { source, own } = ownerOf(sources, path);
  for (let depth = own.length; depth > 0; depth--) {
    const place = source && placeIn(source, own.slice(0, depth));
    if (place) return place;
  }
  return source?.file ?? '';
}

/** The file that a member came from; an index of a joined list is counted within its own file. */
function ownerOf(
  sources: readonly Source[],
  [name = '', key, ...rest]: Path,
): { source: Source | undefined; own: Path } {
  let index = typeof key === 'number' ? key : 0;
  for (const source of sources) {
    const member = source.content[String(name)];
    if (Array.isArray(member) && typeof key === 'number') {
      if (index < member.length) return { source, own: [name, index, ...rest] };
      index -= member.length;
    } else if (isMapping(member) && (key === undefined || Object.hasOwn(member, String(key)))) {
      return { source, own: key === undefined ? [name] : [name, key, ...rest] };
    } else if (member !== undefined && !isMapping(member)) return { source, own: [name] };
  }
  return { source: sources[0], own: [name] };
}

/** A member's line is that of its name: its value may begin on the next. */
export function placeIn(source: Source, path: Path): string | null {
  const { document } = source;
  const parent = path.length > 1 ? document.getIn(path.slice(0, -1), true) : document.contents;
  const pair = isMap(parent)
    ? parent.items.find(({ key }) => isScalar(key) && String(key.value) === String(path.at(-1)))
    : undefined;
  const node = pair?.key ?? document.getIn(path, true);
  return isNode(node) && node.range ? placeOfOffset(source, node.range[0]) : null;
}
