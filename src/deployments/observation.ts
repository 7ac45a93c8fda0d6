import type { RegistryProblem } from '../registry/client.ts';
import { parseReference } from '../registry/reference.ts';
import type { Evidence } from '../schemas/failure.ts';

/** What was seen: by our own question to the registry, in ARM's answer, in ACI's events, at a container. */
export type Observation =
  | { kind: 'registry'; problem: RegistryProblem }
  | { kind: 'arm'; status?: number; code?: string; message: string }
  | {
      kind: 'event';
      name?: string;
      message: string;
      state?: string;
      exitCode?: number;
      detailStatus?: string;
    }
  | { kind: 'text'; text: string }
  | {
      kind: 'container';
      exitCode: number | null;
      state: string;
      detailStatus: string;
      restartPolicy: string;
      lastLog?: string;
    }
  | { kind: 'vault'; status: number | null; code: string | null; message: string };

export type CredentialContext =
  | { kind: 'none' }
  | { kind: 'identity'; id: string; server: string }
  | {
      kind: 'secret';
      vault: string;
      secretName: string;
      secretVersion?: string;
      username?: string;
      server: string;
    };

/** The caller's own names, for the words of the explanation. */
export interface ExplainContext {
  stage?: string;
  target?: string;
  group?: string;
  resourceGroup?: string;
  image?: string;
  credential?: CredentialContext;
}

/** An observation and its context as the rules read them. */
export interface Signs {
  observation: Observation;
  /** Everything that was said, in one text on one line. */
  said: string;
  /** The same without images and addresses: a repository may be called `certificate-not-found`. */
  text: string;
  /** The code that ARM, the vault or the registry gave. */
  code: string;
  /** The HTTP status of ARM, the vault or the registry. */
  status: number | undefined;
  credential: CredentialContext['kind'];
  image: string | undefined;
  /** The registry of the image, as far as it can be read. */
  registry: string | undefined;
}

/** Puts an observation into the form that the rules read. */
export function readSigns(observation: Observation, { credential, image }: ExplainContext): Signs {
  const said = plain(saidIn(observation));
  const { code, status } = answerIn(observation);
  const parsed = image === undefined ? null : parseReference(image);
  return {
    observation,
    said,
    text: withoutNames(said, image),
    code: code ?? '',
    status: status ?? undefined,
    credential: credential?.kind ?? 'none',
    image,
    registry: parsed?.ok ? parsed.reference.domain : undefined,
  };
}

/** However it was broken into lines and quoted on its way. */
const plain = (said: string) =>
  said.replaceAll(/\s+/g, ' ').replaceAll(/[‘’]/g, "'").replaceAll(/[“”]/g, '"');

function answerIn(observation: Observation): { code?: string | null; status?: number | null } {
  switch (observation.kind) {
    case 'registry':
      return { code: observation.problem.registryCode ?? null, status: observation.problem.status ?? null };
    case 'arm':
    case 'vault':
      return observation;
    default:
      return {};
  }
}

function saidIn(observation: Observation): string {
  switch (observation.kind) {
    case 'registry': {
      const { networkCode, registryCode, registryMessage } = observation.problem;
      return joined(' ', networkCode, registryCode, registryMessage);
    }
    case 'container':
      return joined(' ', observation.state, observation.detailStatus);
    case 'event':
      return joined(' ', observation.name, observation.message, observation.state, observation.detailStatus);
    case 'text':
      return observation.text;
    case 'arm':
    case 'vault':
      return observation.message;
  }
}

const joined = (separator: string, ...parts: (string | undefined)[]) => parts.filter(Boolean).join(separator);

/** Addresses of token services are a sign of their own: who refuses there refuses the sign-in. */
const tokenService = /\/(?:token|oauth2\/\w+|jwt\/auth|v2\/auth|service\/token)(?:\?|$)/;

function withoutNames(said: string, image: string | undefined): string {
  const named = image !== undefined && /[/:]/.test(image) ? said.replaceAll(image, '[name]') : said;
  return named
    .replaceAll(/\bhttps?:\/\/[^\s"'<>]*[^\s"'<>:;,.)]/g, url =>
      tokenService.test(url) ? '[token service]' : '[address]',
    )
    .replaceAll(/\b(image|for) (["'])[^"']*\2/g, '$1 [name]')
    .replaceAll(
      /\b[a-z0-9-]+(?:(?:\.[a-z0-9-]+)+(?::\d+)?|:\d+)\/[\w./-]*[\w](?::[\w.-]+)?(?:@sha\d+:[0-9a-f]+)?/gi,
      '[name]',
    );
}

const longestMessage = 1_000;

/** What of an observation the failure shows. */
export function evidenceOf(observation: Observation): Evidence {
  switch (observation.kind) {
    case 'registry':
      return registryEvidence(observation.problem);
    case 'arm':
    case 'vault': {
      const { kind: step, message, status, code } = observation;
      return {
        step,
        message: message.slice(0, longestMessage),
        ...(typeof status === 'number' ? { status } : {}),
        ...(code ? { code } : {}),
      };
    }
    case 'event': {
      const { name, message } = observation;
      return { step: 'event', message: message.slice(0, longestMessage), ...(name ? { code: name } : {}) };
    }
    case 'text':
      return { step: 'event', message: observation.text.slice(0, longestMessage) };
    case 'container':
      return {
        step: 'container',
        message: joined(', ', `exit code ${observation.exitCode ?? 'unknown'}`, observation.detailStatus),
      };
  }
}

function registryEvidence(problem: RegistryProblem): Evidence {
  const { step, host, status, registryCode, networkCode, registryMessage, retryAfter, rateLimit } = problem;
  const message = joined(
    '; ',
    registryMessage,
    retryAfter && `retry after ${retryAfter}`,
    rateLimit?.limit && `limit ${rateLimit.limit}`,
    rateLimit?.remaining && `remaining ${rateLimit.remaining}`,
  );
  return {
    step,
    host,
    ...(status === undefined ? {} : { status }),
    ...(registryCode ? { registryCode } : {}),
    ...(networkCode ? { code: networkCode } : {}),
    ...(message ? { message } : {}),
  };
}
