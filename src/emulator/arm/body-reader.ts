import type { ArmAccess } from './access.ts';

/** Reads members of a resource that a client sent; what has the wrong form is 400 `InvalidRequestContent`. */
export interface BodyReader {
  object(name: string): BodyReader;
  /** Undefined where the member is absent or null. */
  text(name: string): string | undefined;
  flag(name: string): boolean | undefined;
  count(name: string): number | undefined;
  oneOf<T extends string>(name: string, values: readonly T[]): T | undefined;
  /** The objects of a list. */
  list(name: string): BodyReader[] | undefined;
  texts(name: string): string[] | undefined;
  tags(): Record<string, string> | undefined;
}

export function readBody(body: unknown, arms: ArmAccess, place = ''): BodyReader {
  const wrong = (name: string, what: string) =>
    arms.error(
      400,
      'InvalidRequestContent',
      `The request content was invalid and could not be deserialized: '${[place, name].filter(Boolean).join('.')}' must be ${what}.`,
    );
  if (body !== undefined && body !== null && (typeof body !== 'object' || Array.isArray(body)))
    throw wrong('', 'an object');
  const members = new Map(Object.entries(body ?? {}).map(([name, value]) => [name.toLowerCase(), value]));
  const at = (name: string) => (place === '' ? name : `${place}.${name}`);
  const find = (name: string): unknown => members.get(name.toLowerCase()) ?? undefined;

  function typed<T>(name: string, what: string, is: (value: unknown) => value is T): T | undefined {
    const found = find(name);
    if (found === undefined) return undefined;
    if (!is(found)) throw wrong(name, what);
    return found;
  }

  return {
    object: name => readBody(find(name), arms, at(name)),
    text: name => typed(name, 'a text', value => typeof value === 'string'),
    flag: name => typed(name, 'true or false', value => typeof value === 'boolean'),
    count: name => typed(name, 'a whole number', (value): value is number => Number.isInteger(value)),
    oneOf(name, values) {
      const found = typed(name, 'a text', value => typeof value === 'string');
      if (found === undefined) return undefined;
      const known = values.find(each => each.toLowerCase() === found.toLowerCase());
      if (known === undefined) throw wrong(name, `one of ${values.join(', ')}`);
      return known;
    },
    list: name =>
      typed(name, 'a list', value => Array.isArray(value))?.map((each, index) =>
        readBody(each, arms, `${at(name)}[${index}]`),
      ),
    texts: name => typed(name, 'a list of texts', isTexts),
    tags: () => typed('tags', 'an object of texts', isTextMap),
  };
}

const isTexts = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every(each => typeof each === 'string');

const isTextMap = (value: unknown): value is Record<string, string> =>
  typeof value === 'object' && value !== null && isTexts(Object.values(value)) && !Array.isArray(value);
