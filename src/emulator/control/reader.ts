/** Reads members of a JSON object that a test sent; throws a sentence that names the place. */
export interface Reader {
  text(name: string): string;
  text<T>(name: string, otherwise: T): string | T;
  oneOf<T extends string>(name: string, values: readonly T[], otherwise: T): T;
  texts(name: string): string[];
  map(name: string): Record<string, string>;
  /** An object whatever its members are. */
  anything(name: string): Record<string, unknown>;
  number(name: string): number | undefined;
  flag(name: string, otherwise: boolean): boolean;
  /** The objects of a list, or of a map as `GET /_emulator/world` shows them. */
  each(name: string): Reader[];
  /** The objects of a map, with their keys. */
  entries(name: string): [string, Reader][];
}

export function createReader(value: unknown, place: string): Reader {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Error(`${place === '' ? 'the body' : `'${place}'`} is an object`);
  const members = new Map<string, unknown>(Object.entries(value));
  const at = (name: string) => (place === '' ? name : `${place}.${name}`);

  function text(name: string, ...otherwise: unknown[]): string {
    const found = members.get(name);
    if (found === undefined && otherwise.length > 0) return otherwise[0] as string;
    if (typeof found !== 'string') throw new Error(`'${at(name)}' is a text`);
    return found;
  }

  function entries(name: string): [string, Reader][] {
    const found = members.get(name) ?? [];
    if (typeof found !== 'object' || found === null) throw new Error(`'${at(name)}' is a list or a map`);
    return Object.entries(found).map(([key, each]) => [key, createReader(each, `${at(name)}[${key}]`)]);
  }

  return {
    text,
    oneOf(name, values, otherwise) {
      const found = members.get(name) ?? otherwise;
      const known = values.find(each => each === found);
      if (known === undefined) throw new Error(`'${at(name)}' is one of ${values.join(', ')}`);
      return known;
    },
    texts(name) {
      const found = members.get(name) ?? [];
      if (!Array.isArray(found) || found.some(each => typeof each !== 'string'))
        throw new Error(`'${at(name)}' is a list of texts`);
      return found.map(String);
    },
    map(name) {
      const inner = createReader(members.get(name) ?? {}, at(name));
      return Object.fromEntries(Object.keys(members.get(name) ?? {}).map(key => [key, inner.text(key)]));
    },
    anything(name) {
      const found = members.get(name) ?? {};
      createReader(found, at(name));
      return { ...(found as object) };
    },
    number(name) {
      const found = members.get(name);
      if (found !== undefined && typeof found !== 'number') throw new Error(`'${at(name)}' is a number`);
      return found;
    },
    flag(name, otherwise) {
      const found = members.get(name) ?? otherwise;
      if (typeof found !== 'boolean') throw new Error(`'${at(name)}' is true or false`);
      return found;
    },
    each: name => entries(name).map(([, each]) => each),
    entries,
  };
}
