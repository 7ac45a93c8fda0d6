import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Compile } from 'typebox/compile';
import { LineCounter, parseDocument } from 'yaml';
import { findContradictions } from './contradictions.ts';
import { checkExpectations } from './expectations.ts';
import { isMapping, type PolicyFile, placeIn, placeOf, placeOfOffset, type Source } from './places.ts';
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

/** A policy in use, and where in its files each member stands. */
export interface ReadPolicy {
  loaded: LoadedPolicy;
  /** `FILE:LINE` of what a JSON pointer names. */
  placeOf(pointer: string): string;
}

/** Reads a YAML or JSON file, or a directory of them. Throws `PolicyError`. */
export function loadPolicy(path: string): LoadedPolicy {
  return parsePolicy(readPolicyFiles(path)).loaded;
}

/** Checks a policy as it was written, and what it expects of itself. Throws `PolicyError`. */
export function parsePolicy(files: readonly PolicyFile[]): ReadPolicy {
  const sources = files.map(readSource);
  const merged = merge(sources);
  if (!validator.Check(merged)) throw new PolicyError(schemaFaults(sources, merged));
  const policy: Policy = merged;
  const place = (pointer: string) => placeOf(sources, pointer);
  const contradictions = [...findContradictions(policy)].map(({ pointer, message }) => ({
    place: place(pointer),
    message: `${pointer} ${message}`,
  }));
  if (contradictions.length > 0) throw new PolicyError(contradictions);

  const loaded = { policy, digest: createHash('sha256').update(canonical(policy)).digest('hex') };
  const unmet = checkExpectations(loaded).map(({ pointer, message }) => ({ place: place(pointer), message }));
  if (unmet.length > 0) throw new PolicyError(unmet);
  return { loaded, placeOf: place };
}

/** A file, or the `.yaml`, `.yml` and `.json` files of a directory by their names. Throws `PolicyError`. */
export function readPolicyFiles(path: string): PolicyFile[] {
  return pathsOf(path).map(name => ({ name, text: textOf(name) }));
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

function pathsOf(path: string): string[] {
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

function readSource({ name: file, text }: PolicyFile): Source {
  if (text.includes('\0')) throw unreadable(file, 'is no text');
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true });
  const source = { file, document, lines, content: {} };
  const faults = document.errors.map(({ message, pos }) => ({
    place: placeOfOffset(source, pos[0]),
    message: message.split('\n')[0] ?? '',
  }));
  if (faults.length > 0) throw new PolicyError(faults);
  const content = contentOf(file, document);
  if (!isMapping(content)) throw unreadable(file, 'must be a mapping');
  return { ...source, content: { ...content } };
}

/** Aliases that lead nowhere, or multiply without end, come to light only here. */
function contentOf(file: string, document: Source['document']): unknown {
  try {
    return document.toJS();
  } catch (error) {
    throw unreadable(file, error instanceof Error ? error.message : 'cannot be read');
  }
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

function canonical(value: unknown): string {
  return JSON.stringify(value, (_name, member) =>
    isMapping(member)
      ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  );
}
