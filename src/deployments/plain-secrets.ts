import { isHarmlessValue, isSecretName } from './secret-names.ts';
import type { Spec } from './spec.ts';

/** A plain value whose name says that it is a secret, and where it stands. Never the value. */
export interface PlainSecret {
  pointer: string;
  name: string;
}

/**
 * Looks through a whole request for plain values under the name of a secret: `{ name, value }` wherever it stands, labels,
 * and arguments such as `--api-token=…` or `API_TOKEN=…`. Whether they are allowed is policy's to say.
 */
export function plainSecretsIn(spec: Spec): PlainSecret[] {
  return [...pairsIn(spec, ''), ...Object.entries(spec.labels ?? {}).map(labelPair)].flatMap(
    ({ pointer, name, value }) =>
      isSecretName(name) && !isHarmlessValue(name, value) ? [{ pointer, name }] : [],
  );
}

interface Pair extends PlainSecret {
  value: string;
}

const labelPair = ([name, value]: [string, string]): Pair => ({ pointer: `/labels/${name}`, name, value });

function pairsIn(value: unknown, pointer: string): Pair[] {
  if (typeof value === 'string') return [];
  if (typeof value !== 'object' || value === null) return [];
  if (Array.isArray(value)) return [...argumentPairs(value, pointer), ...membersOf(value, pointer)];
  if (
    'name' in value &&
    'value' in value &&
    typeof value.name === 'string' &&
    typeof value.value === 'string'
  )
    return [{ pointer: `${pointer}/value`, name: value.name, value: value.value }];
  return membersOf(value, pointer);
}

const membersOf = (value: object, pointer: string): Pair[] =>
  Object.entries(value).flatMap(([name, member]) => pairsIn(member, `${pointer}/${name}`));

const assignment = /(?:^|[\s;])(?:-{1,2})?([A-Za-z][\w.-]{0,63})=("[^"]*"|'[^']*'|[^\s"';]*)/g;
const option = /^--?([A-Za-z][\w.-]{0,63})$/;

/** `NAME=value`, `--name=value`, and `--name` with the value as the next argument. */
function argumentPairs(list: readonly unknown[], pointer: string): Pair[] {
  return list.flatMap((entry, index) => {
    if (typeof entry !== 'string') return [];
    const next = list[index + 1];
    const name = option.exec(entry)?.[1];
    const separate =
      name !== undefined && typeof next === 'string' && !next.startsWith('-')
        ? [{ pointer: `${pointer}/${index + 1}`, name, value: next }]
        : [];
    const joined = [...entry.matchAll(assignment)].map(([, name = '', value = '']) => ({
      pointer: `${pointer}/${index}`,
      name,
      value: value.replace(/^(["'])(.*)\1$/s, '$2'),
    }));
    return [...joined, ...separate];
  });
}
