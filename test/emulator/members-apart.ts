import type { Difference } from './aci-differences.ts';

/** What two JSON bodies differ in: members that one has and the other has not, and values of other types, as sentences. */
export function membersApart(actual: unknown, expected: unknown, allowed: readonly Difference[]): string[] {
  return compare(actual, expected, '').flatMap(({ kind, member, text }) =>
    allowed.some(each => each.kind === kind && each.member === member) ? [] : [text],
  );
}

interface Found {
  kind: Difference['kind'] | 'type';
  member: string;
  text: string;
}

/** Events come and go: each has the same members, however many there are. */
const varying = /(^|\.)(events|value)$/;

function compare(actual: unknown, expected: unknown, path: string): Found[] {
  if (Array.isArray(expected)) return compareLists(actual, expected, path);
  if (typeof expected !== 'object' || expected === null)
    return typeof actual === typeof expected
      ? []
      : [{ kind: 'type', member: path, text: `${path} is a ${typeof actual}, not a ${typeof expected}` }];
  if (typeof actual !== 'object' || actual === null || Array.isArray(actual))
    return [{ kind: 'type', member: path, text: `${path} is no object` }];
  const theirs = new Map(Object.entries(expected));
  const ours = new Map(Object.entries(actual));
  const at = (name: string) => (path === '' ? name : `${path}.${name}`);
  const fewer = [...theirs.keys()].filter(name => !ours.has(name)).map(name => one('fewer', at(name)));
  const more = [...ours.keys()].filter(name => !theirs.has(name)).map(name => one('more', at(name)));
  const both = [...theirs].filter(([name]) => ours.has(name));
  return [...fewer, ...more, ...both.flatMap(([name, value]) => compare(ours.get(name), value, at(name)))];
}

const one = (kind: Difference['kind'], member: string): Found => ({
  kind,
  member,
  text: kind === 'more' ? `${member} should not be there` : `${member} is missing`,
});

function compareLists(actual: unknown, expected: unknown[], path: string): Found[] {
  if (!Array.isArray(actual)) return [{ kind: 'type', member: path, text: `${path} is no list` }];
  const [first] = expected;
  if (varying.test(path))
    return first === undefined ? [] : actual.flatMap(each => compare(each, first, `${path}[]`));
  if (actual.length !== expected.length)
    return [{ kind: 'type', member: path, text: `${path} has ${actual.length}, not ${expected.length}` }];
  return expected.flatMap((each, index) => compare(actual[index], each, `${path}[]`));
}

/** Where a value that was sent, and that the expected answer repeats, comes back as another. */
export function valuesApart(actual: unknown, expected: unknown, sent: unknown, path = ''): string[] {
  if (typeof sent !== 'object' || sent === null)
    return sent === expected && actual !== undefined && actual !== sent
      ? [`${path} is ${JSON.stringify(actual)}, not ${JSON.stringify(sent)}`]
      : [];
  if (typeof expected !== 'object' || expected === null || typeof actual !== 'object' || actual === null)
    return [];
  const ours = new Map(Object.entries(actual));
  const theirs = new Map(Object.entries(expected));
  return Object.entries(sent).flatMap(([name, value]) =>
    theirs.has(name) ? valuesApart(ours.get(name), theirs.get(name), value, `${path}.${name}`) : [],
  );
}
