import type { RegistryProblem } from '../registry/client.ts';
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
  /** Everything that was said, in one text. */
  text: string;
  /** The code that ARM or the vault gave. */
  code: string;
  status: number | undefined;
  credential: CredentialContext['kind'];
  image: string | undefined;
}
/** Puts an observation into the form that the rules read. */
export function readSigns(observation: Observation, { credential, image }: ExplainContext): Signs {
  return {
    observation,
    text: textOf(observation),
    code: 'code' in observation ? (observation.code ?? '') : '',
    status:
      'status' in observation
        ? (observation.status ?? undefined)
        : observation.kind === 'registry'
          ? observation.problem.status
          : undefined,
    credential: credential?.kind ?? 'none',
    image,
  };
}

function textOf(observation: Observation): string {
  switch (observation.kind) {
    case 'registry': {
      const { step, registryCode = '', registryMessage = '', networkCode = '' } = observation.problem;
      return [step, networkCode, registryCode, registryMessage].join(' ');
    }
    case 'container':
      return `${observation.state} ${observation.detailStatus}`;
    case 'event':
      return [observation.name, observation.message, observation.state, observation.detailStatus]
        .filter(Boolean)
        .join(' ');
    case 'text':
      return observation.text;
    default:
      return observation.message;
  }
}

/** What of an observation the failure shows. */
export function evidenceOf(observation: Observation): Evidence {
  switch (observation.kind) {
    case 'registry': {
      const { step, host, status: seen, registryCode, networkCode, registryMessage } = observation.problem;
      return {
        step,
        host,
        ...defined({ status: seen, registryCode, code: networkCode, message: registryMessage }),
      };
    }
    case 'arm':
    case 'vault':
      return {
        step: observation.kind,
        message: observation.message.slice(0, 1000),
        ...defined({ status: observation.status ?? undefined, code: observation.code ?? undefined }),
      };
    case 'event':
      return {
        step: 'event',
        message: observation.message.slice(0, 1000),
        ...defined({ code: observation.name || undefined }),
      };
    case 'text':
      return { step: 'event', message: observation.text.slice(0, 1000) };
    case 'container':
      return {
        step: 'container',
        message: [`exit code ${observation.exitCode ?? 'unknown'}`, observation.detailStatus]
          .filter(Boolean)
          .join(', '),
      };
  }
}

function defined<T extends Record<string, unknown>>(
  members: T,
): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
