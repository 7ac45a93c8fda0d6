import { createHash } from 'node:crypto';
import { type Conversation, longestBody, type RegistryAnswer } from './asking.ts';
import type { Pull } from './client.ts';
import { readPlatform } from './config.ts';
import type { Authorization } from './credential.ts';
import { isRecord, listOf, PullProblem, problemOf, readJson } from './problem.ts';

export interface Platform {
  os: 'linux' | 'windows';
  architecture: 'amd64';
}

/** An answer to HEAD or GET, and how to have its body. */
interface Found {
  answer: RegistryAnswer;
  read: () => Promise<RegistryAnswer>;
  signedIn: boolean;
  authorization: Authorization | null;
}

const singleTypes = new Set([
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
]);
export const hub = 'registry-1.docker.io';
/** What the specification asks registries to take. */
const longestManifest = 4 * 1024 * 1024;

/** Takes from a manifest its digest, and sees that it is for the platform. */
export async function examine(found: Found, conversation: Conversation): Promise<Pull> {
  const { host } = conversation;
  const announced = digestIn(found.answer);
  const asked = conversation.request.reference.digest ?? announced;
  const mediaType = mediaTypeOf(found.answer);
  // Docker Hub counts a GET as a pull, and HEAD not (documented): what HEAD tells has to do.
  const told = (host === hub && singleTypes.has(mediaType)) || isLong(found.answer);
  if (told && announced !== undefined && announced === asked)
    return { ok: true, digest: announced, mediaType, platformDigest: null };

  const answer = await found.read();
  if (answer.status !== 200) throw problemOf(answer, host, found.signedIn, 'manifest');
  const manifest = readJson(answer);
  if (!manifest || !(Array.isArray(manifest.manifests) || isRecord(manifest.config)))
    throw notARegistry(found, conversation);
  const digest = digestOf(answer, found, conversation);
  if (Array.isArray(manifest.manifests)) {
    const platformDigest = childFor(listOf(manifest.manifests), found, conversation);
    return { ok: true, digest, mediaType, platformDigest };
  }
  const built = await readPlatform(manifest.config, conversation, found.authorization);
  if (built && !fits(built, conversation)) throw otherPlatform([spell(built)], found, conversation);
  return { ok: true, digest, mediaType, platformDigest: null };
}

const mediaTypeOf = ({ headers }: RegistryAnswer) =>
  String(headers['content-type'] ?? '')
    .split(';')[0]
    ?.trim() ?? '';

const isDigest = (value: unknown): value is string =>
  typeof value === 'string' &&
  /^(?:sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})$/.test(value);

/** By HEAD's own word it is more than is read of any answer. */
export function isLong({ headers, body }: RegistryAnswer): boolean {
  const length = Number(headers['content-length']);
  return body.length === 0 && length > longestBody && length <= longestManifest;
}

/** The registry's word for it, if that is a digest: it goes into the reference that Azure is given. */
export const digestIn = ({ headers }: RegistryAnswer) => {
  const header = headers['docker-content-digest'];
  return isDigest(header) ? header : undefined;
};

/** Of the bytes; the registry's word and what was asked for must agree with it. */
function digestOf(answer: RegistryAnswer, found: Found, conversation: Conversation): string {
  const asked = conversation.request.reference.digest;
  const claimed = asked ?? digestIn(answer) ?? 'sha256';
  const algorithm = claimed.split(':')[0] ?? 'sha256';
  const digest = `${algorithm}:${createHash(algorithm).update(answer.body).digest('hex')}`;
  if (claimed !== 'sha256' && claimed !== digest) throw notARegistry(found, conversation);
  return digest;
}

function childFor(manifests: unknown[], found: Found, conversation: Conversation): string {
  const children = manifests.filter(isRecord).filter(({ platform }) => isRecord(platform));
  const child = children.find(({ platform }) => fits(platform, conversation));
  if (child && isDigest(child.digest)) return child.digest;
  if (child) throw notARegistry(found, conversation);
  // Attestations stand in an index as platform unknown/unknown.
  const offered = children.map(({ platform }) => spell(platform)).filter(name => !name.includes('unknown'));
  throw otherPlatform([...new Set(offered)].slice(0, 20), found, conversation);
}

const fits = (built: unknown, { request: { platform } }: Conversation) =>
  isRecord(built) && built.os === platform.os && built.architecture === platform.architecture;

const word = (value: unknown) =>
  typeof value === 'string' && /^[\w.-]{1,40}$/.test(value) ? value : 'unknown';
const spell = (built: unknown) =>
  isRecord(built) ? `${word(built.os)}/${word(built.architecture)}` : 'unknown/unknown';

const otherPlatform = (platforms: string[], { signedIn }: Found, { host }: Conversation) =>
  new PullProblem({ step: 'platform', host, platforms, signedIn });

const notARegistry = ({ signedIn }: Found, { host }: Conversation) =>
  new PullProblem({ step: 'manifest', host, status: 200, notARegistry: true, signedIn });
