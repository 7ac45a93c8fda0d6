import { randomUUID } from 'node:crypto';
import { sameHost } from './hosts.ts';

/** What `POST /_emulator/faults` takes: which requests, and exactly one thing that happens to them. */
export interface Fault {
  id: string;
  host: string;
  method?: string;
  path?: RegExp;
  /** How many requests it still meets; without it, all. */
  times: number;
  /** How many matching requests it still lets through. */
  after: number;
  effect: Effect;
}

export type Effect =
  | { kind: 'response'; status: number; headers: Record<string, string>; body: unknown }
  | { kind: 'reset' }
  | { kind: 'outage' }
  | { kind: 'delayMs'; delayMs: number }
  | { kind: 'truncateAt'; bytes: number }
  | { kind: 'dripBytesPerSecond'; bytes: number }
  | { kind: 'echoRequest'; status: number }
  | { kind: 'alter'; alteration: Alteration };

/** What the real answer says otherwise: headers and members of its JSON; null takes one away. */
export interface Alteration {
  headers: Record<string, string | null>;
  members: Record<string, unknown>;
}

export interface Faults {
  /** The id; throws a sentence where `description` is not a fault. */
  add(description: unknown): string;
  /** Ends one, or all; false where there is no such fault. */
  end(id?: string): boolean;
  list(): Fault[];
  /** The newest fault that meets this request; it counts as met. */
  meet(request: { host: string; method: string; path: string }): Fault | undefined;
}

export function createFaults(): Faults {
  let faults: Fault[] = [];
  return {
    add(description) {
      const fault = readFault(description);
      faults.unshift(fault);
      return fault.id;
    },
    end(id) {
      const before = faults.length;
      faults = id === undefined ? [] : faults.filter(fault => fault.id !== id);
      return id === undefined || faults.length < before;
    },
    list: () => faults,
    meet(request) {
      for (const fault of faults.filter(each => matches(each, request))) {
        if (fault.times <= 0) continue;
        if (fault.after > 0) {
          fault.after--;
          continue;
        }
        fault.times--;
        return fault;
      }
      return undefined;
    },
  };
}

function matches(
  fault: Fault,
  { host, method, path }: { host: string; method: string; path: string },
): boolean {
  return (
    sameHost(fault.host, host) &&
    (fault.method === undefined || fault.method === method) &&
    (fault.path === undefined || fault.path.test(path))
  );
}

const readers: Record<string, (value: unknown) => Effect> = {
  response: value => {
    const { status, headers = {}, body, ...rest } = object(value, 'response');
    refuseUnknown(rest, 'response.');
    return {
      kind: 'response',
      status: statusCode(status, 'response.status'),
      headers: texts(headers, 'response.headers'),
      body,
    };
  },
  reset: value => flag('reset', value, { kind: 'reset' }),
  outage: value => flag('outage', value, { kind: 'outage' }),
  delayMs: value => ({ kind: 'delayMs', delayMs: count(value, 'delayMs') }),
  truncateAt: value => ({ kind: 'truncateAt', bytes: count(value, 'truncateAt') }),
  dripBytesPerSecond: value => ({
    kind: 'dripBytesPerSecond',
    bytes: Math.max(1, count(value, 'dripBytesPerSecond')),
  }),
  echoRequest: value => ({
    kind: 'echoRequest',
    status: statusCode(object(value, 'echoRequest').status, 'echoRequest.status'),
  }),
  alter: value => {
    const { headers = {}, members = {}, ...rest } = object(value, 'alter');
    refuseUnknown(rest, 'alter.');
    const alteration = {
      headers: textsOrNull(headers, 'alter.headers'),
      members: object(members, 'alter.members'),
    };
    return { kind: 'alter', alteration };
  },
};

function readFault(description: unknown): Fault {
  const { host, method, path, times, after, ...effects } = object(description, 'the fault');
  if (typeof host !== 'string' || !host) throw new Error("'host' is the Azure or registry name, a text");
  if (method !== undefined && typeof method !== 'string') throw new Error("'method' is a text");
  if (times === 0) throw new Error("'times' is 1 or more");
  return {
    id: randomUUID(),
    host: host.toLowerCase().replace(/:\d+$/, ''),
    ...(method === undefined ? {} : { method: method.toUpperCase() }),
    ...(path === undefined ? {} : { path: pattern(path) }),
    times: times === undefined ? Number.POSITIVE_INFINITY : count(times, 'times'),
    after: after === undefined ? 0 : count(after, 'after'),
    effect: readEffect(effects),
  };
}

function readEffect(effects: Record<string, unknown>): Effect {
  const kinds = Object.keys(effects);
  const [kind] = kinds;
  const read = kind === undefined ? undefined : readers[kind];
  if (kinds.length !== 1 || kind === undefined || !read)
    throw new Error(
      `a fault has exactly one of ${Object.keys(readers).join(', ')}; this has ${kinds.join(', ') || 'none'}`,
    );
  return read(effects[kind]);
}

function object(value: unknown, name: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Error(`${name} is an object`);
  return { ...value };
}

function refuseUnknown(rest: Record<string, unknown>, prefix: string): void {
  const [unknown] = Object.keys(rest);
  if (unknown) throw new Error(`there is no '${prefix}${unknown}'`);
}

function count(value: unknown, name: string): number {
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0)
    throw new Error(`'${name}' is a number, 0 or more`);
  return value;
}

function statusCode(value: unknown, name: string): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 200 || value > 599)
    throw new Error(`'${name}' is a status from 200 to 599`);
  return value;
}

function texts(value: unknown, name: string): Record<string, string> {
  return Object.fromEntries(
    Object.entries(object(value, name)).map(([key, each]) => [
      headerName(key, name),
      headerValue(each, name),
    ]),
  );
}

function textsOrNull(value: unknown, name: string): Record<string, string | null> {
  return Object.fromEntries(
    Object.entries(object(value, name)).map(([key, each]) => [
      headerName(key, name),
      each === null ? null : headerValue(each, name),
    ]),
  );
}

function headerName(key: string, place: string): string {
  if (/^[!#$%&'*+.^_`|~0-9a-z-]+$/i.test(key)) return key;
  throw new Error(`'${place}' has a name that no header can have: ${JSON.stringify(key)}`);
}

function headerValue(value: unknown, place: string): string {
  const text = String(value);
  if (!['string', 'number', 'boolean'].includes(typeof value) || !/^[\t\x20-\x7e\x80-\xff]*$/.test(text))
    throw new Error(`'${place}' has a value that no header can have`);
  return text;
}

function flag(name: string, value: unknown, effect: Effect): Effect {
  if (value !== true) throw new Error(`'${name}' is true or absent`);
  return effect;
}

function pattern(value: unknown): RegExp {
  if (typeof value !== 'string') throw new Error("'path' is a regular expression, a text");
  try {
    return new RegExp(value);
  } catch {
    throw new Error(`'path' is no regular expression: ${value}`);
  }
}
