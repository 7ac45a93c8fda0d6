import type { ImageReference } from './reference.ts';

/** What may have been meant by a reference that is well-formed and names something else; null where nothing is odd. */
export function hintFor(text: string, { domain, path, tag, digest }: ImageReference): string | null {
  return dotless(text, { domain, path }) ?? untagged(text, { tag, digest });
}

/** `myregistry/app` is an image of Docker Hub's user `myregistry`: only a dot or a port makes a registry. */
function dotless(text: string, { domain, path }: Pick<ImageReference, 'domain' | 'path'>): string | null {
  if (domain !== 'docker.io' || /^(?:index\.)?docker\.io\//.test(text)) return null;
  const [first = '', ...rest] = text.split('/');
  if (rest.length === 0)
    return `'${text}' is Docker Hub's ${path}: an image of another registry begins with its host, such as myregistry.azurecr.io/${text}.`;
  return `'${text}' is Docker Hub's ${path}: where ${first} is a registry, write its host in full, such as ${first}.azurecr.io/${rest.join('/')}.`;
}

function untagged(text: string, { tag, digest }: Pick<ImageReference, 'tag' | 'digest'>): string | null {
  if (tag !== 'latest' || digest !== null || text.endsWith(':latest')) return null;
  return `'${text}' has no tag, which means latest.`;
}
