import { scrub } from '../secret.ts';
import type { RegistryAnswer } from './asking.ts';
import { parseChallenges } from './challenge.ts';

/** What was seen where a pull went wrong: facts, not verdicts. Nothing of a credential is in it. */
export interface RegistryProblem {
  step: 'connect' | 'manifest' | 'token' | 'exchange' | 'platform';
  host: string;
  status?: number;
  registryCode?: string;
  registryMessage?: string;
  /** `ENOTFOUND`, `ECONNREFUSED`, a TLS code, ... where no answer came. */
  networkCode?: string;
  /** How the registry asks to sign in, if it does: `basic`, `bearer`, ... */
  challengeScheme?: string;
  /** Where the challenge sent us, if not to a place that goes with the registry. */
  foreignRealm?: string;
  /** The host to which the answer points on; nobody went there. */
  redirectedTo?: string;
  /** Whether a credential was sent. */
  signedIn: boolean;
  /** As the registry gave it: seconds, or a date. */
  retryAfter?: string;
  /** Docker Hub's count, `76;w=21600` of `100;w=21600`, if it told. */
  rateLimit?: { limit?: string; remaining?: string };
  /** The answer was no registry's. */
  notARegistry?: boolean;
  /** What the image is built for instead. */
  platforms?: string[];
  /** The tags that are most like the missing one. */
  nearestTags?: string[];
}

/** Ends a conversation; caught once, in `createRegistryClient`. */
export class PullProblem extends Error {
  readonly problem: RegistryProblem;
  constructor(problem: RegistryProblem) {
    super(problem.step);
    this.problem = problem;
  }
}

type Step = 'manifest' | 'token' | 'exchange';

/** What an answer that is no success says of itself. */
export function problemOf(answer: RegistryAnswer, host: string, signedIn: boolean, step: Step): PullProblem {
  const { status, headers } = answer;
  const { code, message } = wordsOf(answer);
  const [challenge] = parseChallenges(headers['www-authenticate']);
  // A token that opens too little is told in the challenge alone.
  const said = [message, challenge?.parameters.error].filter(Boolean).join(' ');
  const elsewhere = status >= 300 && status < 400 ? redirectHost(headers.location) : undefined;
  const limit = plain(headers['ratelimit-limit'], 100);
  const remaining = plain(headers['ratelimit-remaining'], 100);
  return new PullProblem({
    step,
    host,
    status,
    signedIn,
    ...defined({
      registryCode: plain(code, 100),
      registryMessage: plain(said, longestMessage),
      challengeScheme: plain(challenge?.scheme, 100),
      redirectedTo: elsewhere,
      retryAfter: plain(headers['retry-after'], 100),
      ...(limit || remaining ? { rateLimit: defined({ limit, remaining }) } : {}),
      ...(isNoRegistrys(answer) ? { notARegistry: true } : {}),
    }),
  });
}

const longestMessage = 300;

/** A remote text as it may be kept: on one line, short, without what would steer a terminal, without our secrets. */
export function plain(text: unknown, longest: number): string | undefined {
  if (typeof text !== 'string') return undefined;
  const clean = scrub(text)
    .replaceAll(/[\p{C}\p{Z}]+/gu, ' ')
    .trim()
    .slice(0, longest);
  return clean === '' ? undefined : clean;
}

const isPage = ({ headers, body }: RegistryAnswer) =>
  /\bhtml\b/i.test(String(headers['content-type'] ?? '')) ||
  body.subarray(0, 100).toString('utf8').trimStart().startsWith('<');

/** A page where a manifest or an error should be. Refusals and outages often come as pages of what stands in front. */
const isNoRegistrys = (answer: RegistryAnswer) =>
  isPage(answer) && (answer.status < 400 || [400, 404, 405, 410].includes(answer.status));

/** The specification's `errors`, or what token services use instead of it. */
function wordsOf(answer: RegistryAnswer): { code?: unknown; message?: unknown } {
  const json = readJson(answer);
  if (json === null) return isPage(answer) ? {} : { message: answer.body.toString('utf8') };
  const errors = listOf(json.errors).filter(isRecord);
  if (errors[0])
    return { code: errors[0].code, message: errors.slice(0, 3).map(messageOf).filter(Boolean).join('; ') };
  return { code: json.error, message: json.error_description ?? json.details ?? json.detail ?? json.message };
}

const messageOf = ({ message }: Record<string, unknown>) => (typeof message === 'string' ? message : '');

function redirectHost(location: string | string[] | undefined): string | undefined {
  const url = typeof location === 'string' && URL.canParse(location) ? new URL(location) : null;
  return url ? plain(url.host, 255) : undefined;
}

/** An answer's JSON object, or null: nothing in it is trusted to be of any form. */
export function readJson({ body }: RegistryAnswer): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    return isRecord(value) ? value : null;
  } catch {
    return null;
  }
}

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

function defined<T extends Record<string, unknown>>(members: T): Defined<T> {
  const kept: Defined<T> = { ...members } as Defined<T>;
  for (const name of Object.keys(kept) as (keyof T)[]) if (kept[name] === undefined) delete kept[name];
  return kept;
}
