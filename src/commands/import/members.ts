export type Members = Record<string, unknown>;

export const asMembers = (value: unknown): Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {};
export const asList = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);

/** A member by its name without case, as Resource Manager reads it. */
export function pick(members: Members, name: string): unknown {
  const found = Object.keys(members).find(key => key.toLowerCase() === name.toLowerCase());
  return found === undefined ? undefined : members[found];
}

/** All members but these. */
export function without(members: Members, ...names: string[]): Members {
  const left = new Set(names.map(name => name.toLowerCase()));
  return Object.fromEntries(Object.entries(members).filter(([key]) => !left.has(key.toLowerCase())));
}

/** What stands under `properties` one level up, where a request has it. */
export const unwrapped = (value: unknown): Members => {
  const members = asMembers(value);
  return { ...without(members, 'properties'), ...asMembers(pick(members, 'properties')) };
};

export const isText = (value: unknown): value is string => typeof value === 'string';

export const isEmpty = (value: unknown): boolean =>
  value === undefined || value === null || (typeof value === 'object' && Object.keys(value).length === 0);

/** Texts wherever they stand, with their place as a JSON pointer. */
export function* textsIn(value: unknown, pointer = ''): Generator<{ pointer: string; text: string }> {
  if (isText(value)) yield { pointer, text: value };
  else if (typeof value === 'object' && value !== null)
    for (const [name, each] of Object.entries(value))
      yield* textsIn(each, `${pointer}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`);
}

/** The same value with its texts changed. */
export function mapTexts(value: unknown, change: (text: string) => unknown): unknown {
  if (isText(value)) return change(value);
  if (Array.isArray(value)) return value.map(each => mapTexts(each, change));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => [String(change(name)), mapTexts(each, change)]),
  );
}
