import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Compile } from 'typebox/compile';
import { type Document, isMap, isNode, isScalar, LineCounter, parseDocument } from 'yaml';
import { findContradictions } from './contradictions.ts';
import { checkExpectations } from './expectations.ts';
import { Policy } from './policy.ts';

/** A policy that was read, checked and has passed its own tests. */
export interface LoadedPolicy {
  policy: Policy;
  /** SHA-256 of the content, whatever its layout. */
  digest: string;
}

export interface PolicyFault {
  /** `FILE:LINE`, or the file where no line can be named. */
  place: string;
  message: string;
}

/** A policy that cannot be used: every fault, one a line. */
export class PolicyError extends Error {
  override readonly name = 'PolicyError';
  readonly sentence = true;
  readonly faults: PolicyFault[];

  constructor(faults: PolicyFault[]) {
    super(
      `The policy cannot be used:\n${faults.map(({ place, message }) => `  ${place}: ${message}`).join('\n')}`,
    );
    this.faults = faults;
  }
}

const validator = Compile(Policy);

/** Reads a YAML or JSON file, or a directory of them. Throws `PolicyError`. */
export function loadPolicy(path: string): LoadedPolicy {
  const sources = filesOf(path).map(readSource);
  const merged = merge(sources);
  if (!validator.Check(merged)) throw new PolicyError(schemaFaults(sources, merged));
  const policy: Policy = merged;
  const contradictions = [...findContradictions(policy)].map(({ pointer, message }) => ({
    place: placeOf(sources, pointer),
    message: `${pointer} ${message}`,
  }));
  if (contradictions.length > 0) throw new PolicyError(contradictions);

  const loaded = { policy, digest: createHash('sha256').update(canonical(policy)).digest('hex') };
  const unmet = checkExpectations(loaded).map(({ pointer, message }) => ({
    place: placeOf(sources, pointer),
    message,
  }));
  if (unmet.length > 0) throw new PolicyError(unmet);
  return loaded;
}

/** The validator reports an unknown member twice: at itself, and at its parent without a name. */
function schemaFaults(sources: readonly Source[], merged: unknown): PolicyFault[] {
  return [...validator.Errors(merged)]
    .filter(({ keyword }) => keyword !== 'additionalProperties')
    .map(({ keyword, instancePath, message }) => ({
      place: placeOf(sources, instancePath),
      message: `${instancePath || '/'} ${keyword === 'boolean' ? 'is not a member or name allowed here' : message}`,
    }));
}

interface Source {
  file: string;
  document: Document;
  lines: LineCounter;
  content: Record<string, unknown>;
}

function filesOf(path: string): string[] {
  try {
    if (!statSync(path).isDirectory()) return [path];
    const names = readdirSync(path).filter(name => /\.(?:ya?ml|json)$/.test(name));
    if (names.length === 0) throw unreadable(path, 'holds no .yaml, .yml or .json file');
    return names.sort().map(name => join(path, name));
  } catch (error) {
    throw error instanceof PolicyError ? error : unreadable(path, 'cannot be read');
  }
}

const unreadable = (place: string, message: string) => new PolicyError([{ place, message }]);

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    throw unreadable(file, 'cannot be read');
  }
}

function readSource(file: string): Source {
  const lines = new LineCounter();
  const document = parseDocument(textOf(file), { lineCounter: lines, uniqueKeys: true });
  const faults = document.errors.map(({ message, pos }) => ({
    place: `${file}:${lines.linePos(pos[0]).line}`,
    message: message.split('\n')[0] ?? '',
  }));
  if (faults.length > 0) throw new PolicyError(faults);
  const content: unknown = document.toJS();
  if (typeof content !== 'object' || content === null || Array.isArray(content))
    throw unreadable(file, 'must be a mapping');
  return { file, document, lines, content: { ...content } };
}

/**
 * Lists are joined and mappings united, so that each team's file may have its own owners; a name that two files give is
 * refused, else one team's file could take over another team.
 */
function merge(sources: readonly Source[]): Record<string, unknown> {
  // Without a prototype: a member named __proto__ is one like any other, and refused by the schema.
  const merged: Record<string, unknown> = Object.create(null);
  const faults: PolicyFault[] = [];
  for (const source of sources)
    for (const [name, value] of Object.entries(source.content)) {
      const present = merged[name];
      if (Array.isArray(present) && Array.isArray(value)) merged[name] = [...present, ...value];
      else if (isMapping(present) && isMapping(value)) {
        const twice = Object.keys(value).filter(key => Object.hasOwn(present, key));
        faults.push(...twice.map(key => standsTwice(sources, source, [name, key])));
        merged[name] = { ...present, ...value };
      } else if (present === undefined || present === value) merged[name] = value;
      else faults.push(standsTwice(sources, source, [name]));
    }
  if (faults.length > 0) throw new PolicyError(faults);
  return merged;
}

function standsTwice(sources: readonly Source[], second: Source, path: string[]): PolicyFault {
  const first = sources.map(source => placeIn(source, path)).find(place => place !== null);
  return {
    place: placeIn(second, path) ?? second.file,
    message: `/${path.join('/')} stands in ${first ?? 'another file'} too: give it once`,
  };
}

const isMapping = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

type Path = (string | number)[];

/** The line of the nearest node that the pointer names, in the file that has it. */
function placeOf(sources: readonly Source[], pointer: string): string {
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
function placeIn({ file, document, lines }: Source, path: Path): string | null {
  const parent = path.length > 1 ? document.getIn(path.slice(0, -1), true) : document.contents;
  const pair = isMap(parent)
    ? parent.items.find(({ key }) => isScalar(key) && String(key.value) === String(path.at(-1)))
    : undefined;
  const node = pair?.key ?? document.getIn(path, true);
  return isNode(node) && node.range ? `${file}:${lines.linePos(node.range[0]).line}` : null;
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_name, member) =>
    isMapping(member)
      ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  );
}
