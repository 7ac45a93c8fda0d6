import { isDeepStrictEqual } from 'node:util';
import { asMembers, isText, type Members, mapTexts, pick } from './members.ts';

/** What a template's expressions are resolved with. */
export interface TemplateScope {
  parameters: Members;
  variables: Members;
  /** What the command line says, by name, or by the whole expression. */
  settings: ReadonlyMap<string, string>;
  /** What is being resolved: a name that leads back to itself has no value. */
  within?: readonly string[];
}

/** What no setting and no default says: it stays in the text as it is, and is asked for in the end. */
const unresolved = Symbol('unresolved');
type Resolved = unknown | typeof unresolved;

/**
 * Resolves `[parameters('x')]`, `[variables('x')]`, and what the functions below make of them. What needs Azure to know, such
 * as `[resourceGroup().location]`, stays; so does a parameter without value, and one that is a secret.
 */
export function resolveExpressions(value: unknown, scope: TemplateScope): unknown {
  return mapTexts(value, text => {
    const set = scope.settings.get(text);
    if (set !== undefined) return set;
    // `[[` is how a text begins with a bracket.
    if (text.startsWith('[[')) return text.slice(1);
    if (!isExpression(text)) return text;
    const resolved = evaluate(text.slice(1, -1), scope);
    if (resolved === unresolved) return text;
    return isText(resolved) ? resolved : resolveExpressions(resolved, scope);
  });
}

/** Each begins with a function: other brackets are text. */
export const isExpression = (text: string) => /^\[\s*[A-Za-z]\w*\s*\(.*\]$/s.test(text);

/** An expression that has a secret in it: `securestring` and `secureObject` parameters. */
export function mentionsSecureParameter(text: string, parameters: Members): boolean {
  if (!isExpression(text)) return false;
  return [...text.matchAll(/parameters\(\s*'([^']+)'\s*\)/gi)].some(([, name = '']) =>
    isSecure(pick(parameters, name)),
  );
}

const isSecure = (declared: unknown) => /^secure/i.test(String(pick(asMembers(declared), 'type') ?? ''));

function evaluate(text: string, scope: TemplateScope): Resolved {
  const parser = createParser(text, scope);
  const value = parser.expression();
  return parser.isAtEnd() ? value : unresolved;
}

function createParser(text: string, scope: TemplateScope) {
  let at = 0;
  const take = (pattern: RegExp): string | null => {
    const found = new RegExp(`\\s*(?:${pattern.source})`, 'y');
    found.lastIndex = at;
    const match = found.exec(text);
    if (!match) return null;
    at = found.lastIndex;
    return match[1] ?? match[0];
  };

  function expression(): Resolved {
    const literal = take(/'((?:[^']|'')*)'/);
    if (literal !== null) return literal.replaceAll("''", "'");
    const number = take(/(-?\d+)/);
    if (number !== null) return Number(number);
    const name = take(/([A-Za-z]\w*)\s*\(/);
    if (name === null) return unresolved;
    const values: Resolved[] = [];
    while (take(/(\))/) === null) {
      values.push(expression());
      if (values.at(-1) === unresolved || (take(/(,)/) === null && !/^\s*\)/.test(text.slice(at))))
        return unresolved;
    }
    return call(name.toLowerCase(), values, scope);
  }

  return { expression, isAtEnd: () => take(/($)/) !== null };
}

function call(name: string, values: Resolved[], scope: TemplateScope): Resolved {
  const [first, ...others] = values;
  switch (name) {
    case 'parameters':
      return parameter(String(first), scope);
    case 'variables':
      return named(`variables ${first}`, pick(scope.variables, String(first)), scope);
    case 'concat':
      return values.every(each => isText(each) || typeof each === 'number') ? values.join('') : unresolved;
    case 'format':
      return String(first).replace(/\{(\d+)\}/g, (_whole, index) => String(others[Number(index)] ?? ''));
    case 'tolower':
      return String(first).toLowerCase();
    case 'toupper':
      return String(first).toUpperCase();
    case 'string':
      return isText(first) ? first : JSON.stringify(first);
    case 'equals':
      return isDeepStrictEqual(first, others[0]);
    case 'if':
      return first === true ? others[0] : others[1];
    case 'json':
      return parseJson(String(first));
    default:
      return unresolved;
  }
}

/** What is set, read as the template declares it; else the default, unless it is a secret. */
function parameter(name: string, scope: TemplateScope): Resolved {
  const declared = asMembers(pick(scope.parameters, name));
  const set = scope.settings.get(name);
  const type = String(pick(declared, 'type') ?? '').toLowerCase();
  if (set !== undefined) return ['int', 'bool', 'array', 'object'].includes(type) ? parseJson(set) : set;
  const standard = pick(declared, 'defaultValue');
  return isSecure(declared) ? unresolved : named(`parameters ${name}`, standard, scope);
}

/** What stands under a name, which may be made of others. */
function named(name: string, value: unknown, scope: TemplateScope): Resolved {
  const { within = [] } = scope;
  const key = name.toLowerCase();
  if (value === undefined || within.includes(key)) return unresolved;
  const resolved = resolveExpressions(value, { ...scope, within: [...within, key] });
  return isText(resolved) && isExpression(resolved) ? unresolved : resolved;
}

function parseJson(text: string): Resolved {
  try {
    return JSON.parse(text);
  } catch {
    return unresolved;
  }
}
