type Json = Record<string, unknown>;

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const objectOf = (value: unknown): Json => (isObject(value) ? value : {});
const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);
const methods = ['get', 'put', 'post', 'patch', 'delete'];

/** What of `released` a client may rely on and `present` no longer keeps, one sentence each. */
export function breakingChanges(released: Json, present: Json): string[] {
  const changes: string[] = [];
  const components = [released, present].map(each => objectOf(objectOf(each.components).schemas));
  for (const [path, item] of Object.entries(objectOf(released.paths)))
    for (const method of methods.filter(each => each in objectOf(item))) {
      const before = objectOf(objectOf(item)[method]);
      const after = objectOf(objectOf(objectOf(present.paths)[path])[method]);
      const place = `${method} ${path}`;
      if (Object.keys(after).length === 0) changes.push(`${place} is gone`);
      else compareOperation(place, before, after);
    }
  const [before = {}, after = {}] = components;
  for (const [name, schema] of Object.entries(before)) {
    if (!(name in after)) changes.push(`schema ${name} is gone`);
    else compareSchema(name, schema, after[name], directionOf(name));
  }
  return changes;

  function compareOperation(place: string, before: Json, after: Json): void {
    if (before.operationId !== after.operationId) changes.push(`${place} has another operationId`);
    const parametersOf = (operation: Json) =>
      new Map(
        listOf(operation.parameters).map(each => [
          `${objectOf(each).in} ${objectOf(each).name}`,
          objectOf(each),
        ]),
      );
    const [old, now] = [parametersOf(before), parametersOf(after)];
    for (const [name, parameter] of old) {
      const kept = now.get(name);
      if (!kept) changes.push(`${place} no longer takes ${name}`);
      else compareSchema(`${place} ${name}`, parameter.schema, kept.schema, 'request');
    }
    for (const [name, { required }] of now)
      if (required && !old.get(name)?.required) changes.push(`${place} now requires ${name}`);
    for (const [status, answer] of Object.entries(objectOf(before.responses))) {
      const kept = objectOf(after.responses)[status];
      if (!kept) changes.push(`${place} no longer answers ${status}`);
      else compareContent(`${place} ${status}`, answer, kept, 'response');
    }
    if (!before.requestBody && objectOf(after.requestBody).required)
      changes.push(`${place} now requires a body`);
    compareContent(`${place} body`, before.requestBody, after.requestBody, 'request');
  }

  function compareContent(place: string, before: unknown, after: unknown, direction: Direction): void {
    for (const [type, { schema }] of Object.entries(objectOf(objectOf(before).content)).map(
      ([type, content]) => [type, objectOf(content)] as const,
    )) {
      const kept = objectOf(objectOf(after).content)[type];
      if (!kept) changes.push(`${place} no longer has ${type}`);
      else compareSchema(place, schema, objectOf(kept).schema, direction);
    }
  }

  /** In requests less must not be taken, in answers less not be given. */
  function compareSchema(place: string, before: unknown, after: unknown, direction: Direction): void {
    const [old, now] = [objectOf(before), objectOf(after)];
    if (old.$ref !== now.$ref && (old.$ref || now.$ref)) changes.push(`${place} is another schema`);
    if (JSON.stringify(old.type) !== JSON.stringify(now.type)) changes.push(`${place} is of another type`);
    const required = listOf(old.required);
    if (direction !== 'response')
      for (const name of listOf(now.required).filter(each => !required.includes(each)))
        changes.push(`${place} now requires ${name}`);
    if (direction !== 'request')
      for (const name of required.filter(each => !listOf(now.required).includes(each)))
        changes.push(`${place} may now leave ${name} out`);
    for (const value of listOf(old.enum).filter(
      each => now.enum !== undefined && !listOf(now.enum).includes(each),
    ))
      changes.push(`${place} no longer has the value ${value}`);
    if (direction !== 'response') compareBounds(place, old, now);
    for (const [name, schema] of Object.entries(objectOf(old.properties))) {
      const kept = objectOf(now.properties)[name];
      if (kept === undefined) changes.push(`${place} no longer has ${name}`);
      else compareSchema(`${place}.${name}`, schema, kept, direction);
    }
    if (old.items) compareSchema(`${place}[]`, old.items, now.items, direction);
    for (const kind of ['anyOf', 'allOf'] as const)
      for (const [index, schema] of listOf(old[kind]).entries())
        compareSchema(`${place} ${kind} ${index}`, schema, listOf(now[kind])[index], direction);
  }

  function compareBounds(place: string, old: Json, now: Json): void {
    for (const [name, sign] of [
      ['maximum', 1],
      ['maxLength', 1],
      ['maxItems', 1],
      ['maxProperties', 1],
      ['minimum', -1],
      ['minLength', -1],
      ['minItems', -1],
    ] as const) {
      const [was, is] = [old[name], now[name]];
      if (typeof is === 'number' && (typeof was !== 'number' || (is - was) * sign < 0))
        changes.push(`${place} takes less: ${name} ${is}`);
    }
    if (now.pattern !== undefined && now.pattern !== old.pattern)
      changes.push(`${place} has another pattern`);
  }
}

type Direction = 'request' | 'response' | 'both';

function directionOf(name: string): Direction {
  if (name === 'DeploymentRequest') return 'both';
  return name.endsWith('Request') ? 'request' : 'response';
}

/** Whether the version says that clients may break: a new major one, or a new minor one before 1.0. */
export function saysBreaking(released: string, present: string): boolean {
  const [[major = '', minor = ''], [newMajor = '', newMinor = '']] = [released, present].map(each =>
    each.split('.'),
  ) as [string[], string[]];
  return major !== newMajor || (major === '0' && minor !== newMinor);
}
