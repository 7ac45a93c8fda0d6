import type { Vault } from '../azure/vault.ts';
import { bind, readTags, writtenFor } from '../policy/bind.ts';
import type { PlannedRegistry } from '../policy/decide.ts';
import type { LoadedPolicy } from '../policy/load.ts';
import type { CredentialRecord } from '../schemas/deployment.ts';
import type { Failure } from '../schemas/failure.ts';
import { Secret } from '../secret.ts';
import { failure, secretCommand } from './failure.ts';

/** How the images of one registry are pulled. A `Secret` in it lives as long as the stage that resolved it. */
export type ResolvedCredential =
  | { kind: 'anonymous'; host: string }
  | {
      kind: 'identity';
      host: string;
      id: string;
      registryId: string | null;
      /** Slipway itself may be unable to reach the registry. */
      bestEffort?: boolean;
    }
  | {
      kind: 'secret';
      host: string;
      vault: { name: string; url: string };
      secretName: string;
      version: string;
      username: string;
      password: Secret;
    };

/** What resolving needs. */
export interface CredentialParts {
  vault: Vault;
  policy: LoadedPolicy;
  now: Date;
  signal: AbortSignal;
  /** Ends with the stage, and with it every secret that was resolved, whatever came of the others. */
  held: DisposableStack;
}

export type Resolution = { ok: true; credential: ResolvedCredential } | { ok: false; failure: Failure };

/**
 * Resolves what policy planned for one registry. A secret's tags and validity are looked at before its value; `version`
 * asks for the one that was proven before, else the newest counts. Throws `AzureError` where the vault does not answer.
 */
export async function resolveCredential(
  planned: PlannedRegistry,
  parts: CredentialParts,
  version?: string,
): Promise<Resolution> {
  if (planned.kind === 'anonymous')
    return { ok: true, credential: { kind: 'anonymous', host: planned.host } };
  if (planned.kind === 'identity') {
    const { host, id, registryId } = planned;
    const bestEffort = parts.policy.policy.registries?.[host]?.preflight === 'bestEffort';
    return { ok: true, credential: { kind: 'identity', host, id, registryId, bestEffort } };
  }
  return resolveSecret(planned, parts, version);
}

type PlannedSecret = PlannedRegistry & { kind: 'secret' };

async function resolveSecret(
  planned: PlannedSecret,
  { vault, policy, now, signal, held }: CredentialParts,
  version?: string,
): Promise<Resolution> {
  const versions = await vault.properties(planned.vault.url, planned.secretName, signal);
  const index = version === undefined ? 0 : versions.findIndex(candidate => candidate.version === version);
  const properties = versions[index];
  if (!properties) return { ok: false, failure: versionGone(planned, version, boundUser(policy, planned)) };
  const user = boundUser(policy, planned, properties.tags);

  const previous = versions[index + 1];
  const binding = bind(policy, planned, { ...properties, ...(previous ? { previous } : {}) }, now);
  if (!binding.bound) return { ok: false, failure: notBound(planned, binding, user) };

  using stored = await vault.value(planned.vault.url, planned.secretName, properties.version, signal);
  const login = readLogin(stored, binding.username);
  if (!login.ok) return { ok: false, failure: malformed(planned, login.problem, user) };
  const { username } = login;
  const password = held.use(login.password);
  const { vault: place, secretName } = planned;
  return {
    ok: true,
    credential: {
      kind: 'secret',
      host: planned.host,
      vault: place,
      secretName,
      version: properties.version,
      username,
      password,
    },
  };
}

/** Who is to sign in with a secret, as far as policy or its tags say, for the commands that are printed. */
function boundUser(
  { policy }: LoadedPolicy,
  planned: PlannedSecret,
  tags: Record<string, string> = {},
): string | undefined {
  return writtenFor(policy, planned)?.username ?? readTags(tags, planned.host)?.username ?? undefined;
}

type Login = { ok: true; username: string; password: Secret } | { ok: false; problem: string };

/** The value is the password, or a JSON object of exactly `username` and `password`. The binding's username must agree. */
function readLogin(stored: Secret, boundUsername: string | null): Login {
  const pair = readPair(stored.reveal());
  if (pair && boundUsername !== null && pair.username !== boundUsername)
    return { ok: false, problem: `its username is not the one that it is bound to, '${boundUsername}'` };
  const username = boundUsername ?? pair?.username;
  const password = pair ? pair.password : stored.reveal();
  if (!username) return { ok: false, problem: 'no username is bound to it, and its value holds none' };
  if (password === '') return { ok: false, problem: 'its value is empty' };
  if (/[\r\n\0]/.test(password))
    return { ok: false, problem: 'its value has a line break in it, as files and `echo` leave them' };
  return { ok: true, username, password: new Secret(password) };
}

function readPair(value: string): { username: string; password: string } | null {
  if (!value.startsWith('{')) return null;
  try {
    const { username, password, ...others } = JSON.parse(value);
    const whole =
      typeof username === 'string' && typeof password === 'string' && Object.keys(others).length === 0;
    return whole ? { username, password } : null;
  } catch {
    return null;
  }
}

/** What the record keeps of a credential: names, never values. */
export function credentialRecord(credential: ResolvedCredential): CredentialRecord {
  switch (credential.kind) {
    case 'anonymous':
      return { server: credential.host };
    case 'identity':
      return { server: credential.host, identity: credential.id };
    case 'secret':
      return {
        server: credential.host,
        vault: credential.vault.name,
        secretName: credential.secretName,
        secretVersion: credential.version,
        username: credential.username,
      };
  }
}

function notBound(
  planned: PlannedSecret,
  { code, detail }: { code: Failure['code']; detail: string },
  username: string | undefined,
): Failure {
  return failure(code, detail, {
    stage: 'Resolving',
    target: planned.pointer,
    evidence: [{ step: 'vault', host: new URL(planned.vault.url).host, code }],
    fixes: [
      {
        who: 'caller',
        action: 'Store a valid value as a new version of the secret, bound to the registry by its tags',
        command: secretCommand(planned.vault.name, planned.secretName, planned.host, username),
      },
    ],
  });
}

function malformed(planned: PlannedSecret, problem: string, username: string | undefined): Failure {
  return failure('CredentialMalformed', `Secret '${planned.secretName}' cannot be used: ${problem}.`, {
    stage: 'Resolving',
    target: planned.pointer,
    evidence: [{ step: 'vault', host: new URL(planned.vault.url).host }],
    fixes: [
      {
        who: 'caller',
        action: 'Store the bare password, or {"username": ..., "password": ...}, as a new version',
        command: secretCommand(planned.vault.name, planned.secretName, planned.host, username),
      },
    ],
  });
}

function versionGone(
  planned: PlannedSecret,
  version: string | undefined,
  username: string | undefined,
): Failure {
  const which = version === undefined ? 'no version' : `no version ${version} any more`;
  return failure(
    'SecretNotFound',
    `Secret '${planned.secretName}' of vault '${planned.vault.name}' has ${which}.`,
    {
      stage: 'Resolving',
      target: planned.pointer,
      evidence: [{ step: 'vault', host: new URL(planned.vault.url).host, status: 404 }],
      fixes: [
        {
          who: 'caller',
          action: 'Store the secret',
          command: secretCommand(planned.vault.name, planned.secretName, planned.host, username),
        },
      ],
    },
  );
}
