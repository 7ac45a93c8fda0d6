export interface ImageReference {
  /** Where its registry is asked: Docker Hub's own name for that is another than that in images. */
  host: string;
  repository: string;
  /** Tag or digest. */
  reference: string;
}

const hub = new Set(['docker.io', 'index.docker.io', 'registry-1.docker.io']);

const part = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*';
const pathGrammar = new RegExp(`^(?=.{1,255}$)${part}(?:/${part})*$`);
const hostGrammar = /^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::\d+)?$/i;
const tail = /(?::(\w[\w.-]{0,127}))?(?:@(sha256:[0-9a-f]{64}))?$/;

/** What an image's name means; null where it is none. */
export function parseImage(image: string): ImageReference | null {
  const [end = '', tag, digest] = tail.exec(image) ?? [];
  const { host, path } = splitHost(image.slice(0, image.length - end.length));
  if (!hostGrammar.test(host) || !pathGrammar.test(path)) return null;
  const reference = digest ?? tag ?? 'latest';
  if (!hub.has(host.toLowerCase())) return { host: host.toLowerCase(), repository: path, reference };
  const repository = path.includes('/') ? path : `library/${path}`;
  return { host: 'registry-1.docker.io', repository, reference };
}

/** The first part is a host if it looks like one; else it is Docker Hub's. */
function splitHost(name: string): { host: string; path: string } {
  const slash = name.indexOf('/');
  const first = name.slice(0, Math.max(0, slash));
  const isHost = /[.:A-Z]/.test(first) || first === 'localhost';
  return isHost ? { host: first, path: name.slice(slash + 1) } : { host: 'docker.io', path: name };
}

/** The image by its digest, otherwise named as it was (recorded traffic). */
export function pinImage(image: string, digest: string): string {
  return digest === '' ? image : `${image.replace(tail, '')}@${digest}`;
}

/** Whether a credential's server is that of an image: Docker Hub has several names. */
export function isServerOf(server: string, host: string): boolean {
  return fold(server) === fold(host);
}

const fold = (server: string) => (hub.has(server.toLowerCase()) ? 'docker.io' : server.toLowerCase());
