import { createHash } from 'node:crypto';
import { ask, type Conversation, type RegistryAnswer } from './asking.ts';
import type { Authorization } from './credential.ts';
import { isRecord, PullProblem, readJson } from './problem.ts';

/** Where registries keep what they do not serve themselves. A redirect anywhere else is not followed. */
const blobHosts: readonly (readonly [registry: RegExp, blobs: RegExp])[] = [
  [
    /\.azurecr\.(?:io|cn|us)$/,
    /\.blob\.(?:core\.windows\.net|core\.chinacloudapi\.cn|core\.usgovcloudapi\.net|storage\.azure\.net)$/,
  ],
  [/^ghcr\.io$/, /^pkg-containers\.githubusercontent\.com$/],
  [/^quay\.io$/, /^cdn\d*\.quay\.io$/],
];

const timeoutMs = 2_000;

/**
 * The platform that a single manifest is built for, from its configuration; null where that is not to be had at once.
 * It is no reason to refuse an image.
 */
export async function readPlatform(
  config: unknown,
  conversation: Conversation,
  authorization: Authorization | null,
): Promise<{ os: string; architecture: string } | null> {
  if (!isRecord(config) || typeof config.digest !== 'string') return null;
  const [, sha256] = /^sha256:([0-9a-f]{64})$/.exec(config.digest) ?? [];
  if (!sha256) return null;
  try {
    const answer = await fetchBlob(config.digest, conversation, authorization);
    if (answer?.status !== 200) return null;
    if (createHash('sha256').update(answer.body).digest('hex') !== sha256) return null;
    const { os, architecture } = readJson(answer) ?? {};
    return typeof os === 'string' && typeof architecture === 'string' ? { os, architecture } : null;
  } catch (error) {
    if (error instanceof PullProblem) return null;
    throw error;
  }
}

async function fetchBlob(
  digest: string,
  conversation: Conversation,
  authorization: Authorization | null,
): Promise<RegistryAnswer | null> {
  const { host, request } = conversation;
  const limits = {
    method: 'GET',
    step: 'platform',
    timeoutMs: Math.min(timeoutMs, conversation.timeoutMs),
  } as const;
  const url = `https://${host}/v2/${request.reference.path}/blobs/${digest}`;
  const answer = await ask(conversation, { ...limits, url, authorization });
  if (answer.status < 300 || answer.status >= 400) return answer;
  const next = blobUrl(answer.headers.location, host);
  return next === null ? null : ask(conversation, { ...limits, url: next });
}

function blobUrl(location: string | string[] | undefined, host: string): string | null {
  if (typeof location !== 'string' || !URL.canParse(location)) return null;
  const url = new URL(location);
  const paired = blobHosts.some(([registry, blobs]) => registry.test(host) && blobs.test(url.host));
  return url.protocol === 'https:' && url.username === '' && url.password === '' && paired ? url.href : null;
}
