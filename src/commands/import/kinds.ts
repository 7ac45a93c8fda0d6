import { isExpression } from './expressions.ts';
import { asList, asMembers, isText, type Members, pick } from './members.ts';

type Kind = 'object' | 'list';

/** What stands where Azure has an object or a list and is none: it would be lost on the way to a request. */
export function* wrongKinds(group: Members): Generator<{ pointer: string; detail: string }> {
  yield* wrong(group, '', { properties: 'object', tags: 'object', identity: 'object' });
  const properties = asMembers(pick(group, 'properties'));
  yield* wrong(properties, '/properties', {
    ...{ containers: 'list', initContainers: 'list', volumes: 'list', imageRegistryCredentials: 'list' },
    ...{ ipAddress: 'object', diagnostics: 'object' },
  });
  for (const name of ['containers', 'initContainers'])
    for (const [pointer, container] of each(properties, name)) {
      yield* wrong(container, pointer, { properties: 'object' });
      const inner = asMembers(pick(container, 'properties'));
      yield* wrong(inner, `${pointer}/properties`, { environmentVariables: 'list' });
      yield* items(inner, 'environmentVariables', `${pointer}/properties`);
    }
  for (const [pointer, volume] of each(properties, 'volumes'))
    yield* wrong(volume, pointer, { secret: 'object', azureFile: 'object' });
  const diagnostics = asMembers(pick(properties, 'diagnostics'));
  yield* wrong(diagnostics, '/properties/diagnostics', { logAnalytics: 'object' });
  for (const name of ['containers', 'initContainers', 'volumes', 'imageRegistryCredentials'])
    yield* items(properties, name, '/properties');
}

function* wrong(members: Members, place: string, kinds: Record<string, Kind>) {
  for (const [name, kind] of Object.entries(kinds)) {
    const value = pick(members, name);
    // An expression without a value is asked for by its name.
    if (value === undefined || isOf(kind, value)) continue;
    const detail =
      isText(value) && isExpression(value)
        ? `needs a value for ${value}`
        : `must be a${kind === 'object' ? 'n object' : ' list'}`;
    yield { pointer: `${place}/${name}`, detail };
  }
}

/** In a list of objects. */
function* items(members: Members, name: string, place: string) {
  for (const [at, value] of asList(pick(members, name)).entries())
    if (!isOf('object', value)) yield { pointer: `${place}/${name}/${at}`, detail: 'must be an object' };
}

const isOf = (kind: Kind, value: unknown) =>
  typeof value === 'object' && value !== null && Array.isArray(value) === (kind === 'list');

const each = (properties: Members, name: string): [pointer: string, value: Members][] =>
  asList(pick(properties, name)).map((value, at) => [`/properties/${name}/${at}`, asMembers(value)]);
