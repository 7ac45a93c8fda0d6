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
  /** Where the challenge sent us, if not to a place that goes with the registry. */
  foreignRealm?: string;
  /** Whether a credential was sent. */
  signedIn: boolean;
  retryAfter?: string;
  /** The answer was no registry's. */
  notARegistry?: boolean;
  /** What an index offers instead. */
  platforms?: string[];
}

/** Ends a conversation; caught once, in `createRegistryClient`. */
export class PullProblem extends Error {
  readonly problem: RegistryProblem;
  constructor(problem: RegistryProblem) {
    super(problem.step);
    this.problem = problem;
  }
}

interface ErrorBody {
  errors?: { code?: string; message?: string }[];
}

/** What an answer that is no success says of itself. */
export function problemOf(
  answer: RegistryAnswer,
  host: string,
  signedIn: boolean,
  step: 'manifest' | 'token' | 'exchange' = 'manifest',
): PullProblem {
  const { status, headers } = answer;
  const [first] = readJson<ErrorBody>(answer)?.errors ?? [];
  const plain = answer.body.toString('utf8').trim();
  const isPage = /^<|html/i.test(plain.slice(0, 100)) || /html/.test(String(headers['content-type'] ?? ''));
  // A token that opens too little is told in the challenge alone.
  const [challenge] = parseChallenges(headers['www-authenticate']);
  const said = first?.message ?? (isPage ? undefined : plain.slice(0, 200));
  const message = [said, challenge?.parameters.error].filter(Boolean).join(' ');
  return new PullProblem({
    step,
    host,
    status,
    signedIn,
    ...(first?.code ? { registryCode: first.code.slice(0, 100) } : {}),
    ...(message ? { registryMessage: message.slice(0, 300) } : {}),
    ...(isPage ? { notARegistry: true } : {}),
    ...(typeof headers['retry-after'] === 'string' ? { retryAfter: headers['retry-after'] } : {}),
  });
}

export function readJson<T extends object>({ body }: RegistryAnswer): T | null {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    return typeof value === 'object' && value !== null ? (value as T) : null;
  } catch {
    return null;
  }
}
