import { canonicalRegistry } from '../hosts.ts';

/** An image reference, read: `domain/path[:tag][@digest]`. */
export interface ImageReference {
  /** As written, but for Docker Hub's short forms, which are `docker.io`. */
  domain: string;
  path: string;
  tag: string | null;
  digest: string | null;
}

export type ReferenceFault =
  | 'EMPTY'
  | 'FORMAT'
  | 'UPPERCASE'
  | 'HEX64'
  | 'DIGEST_LEN'
  | 'DIGEST_ALG'
  | 'TOOLONG';

export type ParsedReference =
  | { ok: true; reference: ImageReference }
  | { ok: false; reason: ReferenceFault; hint: string };

// The grammar of github.com/distribution/reference; every part is linear.
const component = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*';
const path = `${component}(?:/${component})*`;
const label = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])';
const domain = `(?:${label}(?:\\.${label})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?`;
const tag = '[\\w][\\w.-]{0,127}';
const digest = '[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}';
const longestPath = 255;
const longestText = 2_048;

/** Reads a reference as container engines do; `latest` stands in where there is neither tag nor digest. */
export function parseReference(text: string): ParsedReference {
  if (text === '') return fault('EMPTY', 'is empty');
  if (text.length > longestText) return fault('TOOLONG', 'is too long');
  if (/^[0-9a-f]{64}$/.test(text))
    return fault('HEX64', 'is 64 hexadecimal digits, which engines take for an image id');
  const { host, rest } = split(text);
  const [, repository, found, sum] = read(host, rest);
  if (!repository) return explainFault(text, host, rest);
  const named = host === null || host === 'index.docker.io' ? 'docker.io' : host;
  const full = named === 'docker.io' && !repository.includes('/') ? `library/${repository}` : repository;
  if (full.length > longestPath)
    return fault('TOOLONG', `has a repository of more than ${longestPath} characters`);
  const bad = sum === undefined ? null : digestFault(sum);
  if (bad) return bad;
  return {
    ok: true,
    reference: {
      domain: named,
      path: full,
      tag: found ?? (sum === undefined ? 'latest' : null),
      digest: sum ?? null,
    },
  };
}

/** The first part is a host if it is `localhost`, or has a dot, a colon or a capital; else all is Docker Hub's. */
function split(text: string): { host: string | null; rest: string } {
  const slash = text.indexOf('/');
  const first = text.slice(0, slash);
  const isHost = slash > 0 && (first === 'localhost' || /[.:]/.test(first) || first !== first.toLowerCase());
  return isHost ? { host: first, rest: text.slice(slash + 1) } : { host: null, rest: text };
}

const onlyDomain = new RegExp(`^${domain}$`);
const withoutDomain = new RegExp(`^(${path})(?::(${tag}))?(?:@(${digest}))?$`);

function read(host: string | null, rest: string): (string | undefined)[] {
  if (host !== null && !onlyDomain.test(host)) return [];
  return [...(withoutDomain.exec(rest) ?? [])];
}

function digestFault(sum: string): ParsedReference | null {
  const [algorithm = '', hex = ''] = sum.split(':');
  const length = { sha256: 64, sha384: 96, sha512: 128 }[algorithm];
  if (length === undefined)
    return fault('DIGEST_ALG', `names a digest of the unknown kind ${algorithm}; sha256 is usual`);
  return hex.length === length && hex === hex.toLowerCase()
    ? null
    : fault('DIGEST_LEN', `names a ${algorithm} digest that is not ${length} lower-case hexadecimal digits`);
}

function explainFault(text: string, host: string | null, rest: string): ParsedReference {
  const scheme = /^([a-z]+):\/\//i.exec(text)?.[0];
  if (scheme) return fault('FORMAT', `begins with ${scheme}; write it without: ${text.slice(scheme.length)}`);
  if (/@sha256:[0-9a-f]*$/i.test(text) && !/@sha256:[0-9a-f]{32,}$/i.test(text))
    return fault('FORMAT', 'ends in a digest that is cut short');
  const [, name = ''] = /^([^:@]*)/.exec(rest) ?? [];
  const lower = `${host === null ? '' : `${host}/`}${name.toLowerCase()}${rest.slice(name.length)}`;
  if (name !== name.toLowerCase() && parseReference(lower).ok)
    return fault('UPPERCASE', `has capitals in the repository, which must be lower case: ${lower}`);
  return fault('FORMAT', 'is not of the form [REGISTRY/]REPOSITORY[:TAG][@DIGEST]');
}

const fault = (reason: ReferenceFault, hint: string): ParsedReference => ({ ok: false, reason, hint });

export function formatReference({
  domain: host,
  path: repository,
  tag: found,
  digest: sum,
}: ImageReference): string {
  return `${host}/${repository}${found === null ? '' : `:${found}`}${sum === null ? '' : `@${sum}`}`;
}

/** The registry of an image in the one form that bindings and records use; null where the image cannot be read. */
export function registryOf(image: string): string | null {
  const parsed = parseReference(image);
  return parsed.ok ? canonicalRegistry(parsed.reference.domain) : null;
}
