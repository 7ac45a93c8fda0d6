import { isSince } from './api-versions.ts';

/** What an object may have, in the order in which Azure answers it. */
export interface Shape {
  /** Azure's name for it, as its refusals say it. */
  type: string;
  members: Record<string, Member>;
}

export interface Member {
  /** What a value is; `map` has names of any kind with texts, `object` with anything, `free` may be anything. */
  kind: 'text' | 'number' | 'integer' | 'flag' | 'map' | 'object' | 'free' | Shape;
  list?: boolean;
  /** The values of an enumeration, compared without case. */
  words?: readonly string[];
  /** The first and the last day of the versions that know it. */
  since?: string;
  until?: string;
  required?: boolean;
  /** Answered only: what is sent is ignored. */
  readOnly?: boolean;
  /** Taken and never answered; `contents`: it is answered, empty. */
  secret?: true | 'contents';
  /** Answered by GET, but not by the 201 that makes it. */
  later?: boolean;
}

/** Azure's own text of why a body cannot be read; `near` is the text that it stumbled over. */
export class UnreadableBody extends Error {
  readonly near: string;

  constructor(message: string, path: string, near: string) {
    super(`${message} Path '${path}'`);
    this.near = near;
  }
}

/** Where the reader is. */
interface Place {
  path: string;
  name: string;
  version: string;
}

/**
 * Reads an object by its shape: member names match without case and come out as Azure spells them. Throws
 * `UnreadableBody` for what the version does not know, for what is of another kind, and for what is missing.
 */
export function readMembers(
  value: unknown,
  shape: Shape,
  version: string,
  path = '',
): Record<string, unknown> {
  const read: Record<string, unknown> = {};
  for (const [given, content] of entriesOf(value, shape, path)) {
    const here = path === '' ? given : `${path}.${given}`;
    const [name, member] = find(shape, given);
    if (name === undefined || !member || !knows(version, member))
      throw new UnreadableBody(
        `Could not find member '${given}' on object of type '${shape.type}'.`,
        here,
        given,
      );
    if (member.readOnly || content === null || content === undefined) continue;
    read[name] = readMember(content, member, { path: here, name: given, version });
  }
  const missing = Object.entries(shape.members).find(
    ([name, member]) => member.required && knows(version, member) && read[name] === undefined,
  );
  if (missing) throw new UnreadableBody(`Required property '${missing[0]}' not found in JSON.`, path, '');
  return read;
}

function entriesOf(value: unknown, { type }: Shape, path: string): [string, unknown][] {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return Object.entries(value);
  const near = path.split('.').at(-1) ?? '';
  throw new UnreadableBody(`Error converting value ${JSON.stringify(value)} to type '${type}'.`, path, near);
}

function find({ members }: Shape, given: string): [string | undefined, Member | undefined] {
  const name = Object.hasOwn(members, given)
    ? given
    : Object.keys(members).find(known => known.toLowerCase() === given.toLowerCase());
  return [name, name === undefined ? undefined : members[name]];
}

const knows = (version: string, { since = '', until = '9999' }: Member) =>
  isSince(version, since) && version.slice(0, 10) <= until;

function readMember(content: unknown, member: Member, place: Place): unknown {
  if (!member.list) return readValue(content, member, place);
  if (!Array.isArray(content))
    throw new UnreadableBody(
      `Cannot deserialize the current JSON value into type '${typeName(member)}[]' because the type requires a JSON array.`,
      place.path,
      place.name,
    );
  return content.map((entry, index) =>
    readValue(entry, member, { ...place, path: `${place.path}[${index}]` }),
  );
}

const typeName = ({ kind }: Member) => (typeof kind === 'object' ? kind.type : 'System.String');

function readValue(content: unknown, { kind, words }: Member, place: Place): unknown {
  if (typeof kind === 'object') return readMembers(content, kind, place.version, place.path);
  if (kind === 'free') return content;
  if (kind === 'map') return readMap(content, place);
  if (kind === 'object') return Object.fromEntries(entriesOf(content, dictionary, place.path));
  const value = convert(content, kind, place);
  if (!words || words.some(word => word.toLowerCase() === String(value).toLowerCase())) return value;
  throw new UnreadableBody(
    `Error converting value "${value}" to type '${place.name}'. The value must be one of '${words.join(',')}'.`,
    place.path,
    place.name,
  );
}

/** Azure's reader takes a number for a text and the other way round, where it can be one. */
function convert(content: unknown, kind: 'text' | 'number' | 'integer' | 'flag', place: Place): unknown {
  const { path, name } = place;
  if (typeof content === 'object')
    throw new UnreadableBody(
      `Unexpected character encountered while parsing value: ${Array.isArray(content) ? '[' : '{'}.`,
      path,
      name,
    );
  if (kind === 'text') return String(content);
  if (kind === 'flag') {
    if (/^(?:true|false)$/i.test(String(content))) return String(content).toLowerCase() === 'true';
    throw new UnreadableBody(`Could not convert string to boolean: ${content}.`, path, name);
  }
  const number = typeof content === 'boolean' || content === '' ? Number.NaN : Number(content);
  if (Number.isFinite(number) && (kind === 'number' || Number.isInteger(number))) return number;
  throw new UnreadableBody(
    `Could not convert string to ${kind === 'number' ? 'double' : 'integer'}: ${content}.`,
    path,
    name,
  );
}

const dictionary: Shape = { type: 'System.Collections.Generic.IDictionary', members: {} };

function readMap(content: unknown, place: Place): Record<string, unknown> {
  return Object.fromEntries(
    entriesOf(content, dictionary, place.path).map(([name, value]) => [
      name,
      value === null ? null : convert(value, 'text', { ...place, path: `${place.path}.${name}`, name }),
    ]),
  );
}

/** What of it is answered, in Azure's order: never a secret, and no member that the version asked for does not know. */
export function showMembers(
  value: Record<string, unknown>,
  { members }: Shape,
  version: string,
  more: { created: boolean },
): Record<string, unknown> {
  const shown = Object.entries(members).flatMap(([name, member]) => {
    const content = Object.hasOwn(value, name) ? value[name] : undefined;
    const kept = content === undefined || member.secret === true || (member.later && more.created);
    return kept || !knows(version, member) ? [] : [[name, showMember(content, member, version, more)]];
  });
  return Object.fromEntries(shown);
}

function showMember(content: unknown, member: Member, version: string, more: { created: boolean }): unknown {
  const { kind, list, secret } = member;
  if (secret === 'contents') return {};
  if (typeof kind !== 'object') return content;
  const show = (entry: unknown) => showMembers(entry as Record<string, unknown>, kind, version, more);
  return list && Array.isArray(content) ? content.map(show) : show(content);
}
