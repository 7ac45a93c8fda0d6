import { AzureError } from '../azure/failure.ts';
import type { SecretVersion } from '../azure/vault.ts';
import type { Plan } from '../policy/decide.ts';
import type { Failure } from '../schemas/failure.ts';
import type { Secret } from '../secret.ts';
import { command } from './command.ts';
import type { CredentialParts } from './credentials.ts';
import { explain } from './explain.ts';
import { failure } from './failure.ts';

type Planned = Plan['workloadSecrets'][number];
type Stage = 'Resolving' | 'Submitting';
type Result<T> = { ok: true; found: T } | { ok: false; failure: Failure };

/** By the pointer at which the request names it. */
export type WorkloadSecrets =
  | { ok: true; values: ReadonlyMap<string, Secret> }
  | { ok: false; failure: Failure };

/** What is wrong with a secret that policy planned for the workload; no value is read. Null where nothing is. */
export async function checkWorkloadSecrets(
  planned: Plan['workloadSecrets'],
  parts: Omit<CredentialParts, 'held'>,
): Promise<Failure | null> {
  const looks = await eachOnce(planned, secret =>
    explained(secret, 'Resolving', () => newestOf(secret, 'Resolving', parts)),
  );
  for (const look of looks.values()) if (!look.ok) return look.failure;
  return null;
}

/** Reads what policy planned for the workload. Throws `AzureError` where the vault does not answer. */
export async function resolveWorkloadSecrets(
  planned: Plan['workloadSecrets'],
  parts: CredentialParts,
): Promise<WorkloadSecrets> {
  const readings = await eachOnce(planned, secret =>
    explained(secret, 'Submitting', () => readValue(secret, parts)),
  );
  const values = new Map<string, Secret>();
  for (const secret of planned) {
    const reading = readings.get(keyOf(secret));
    if (reading?.ok === false) return reading;
    if (reading) values.set(secret.pointer, reading.found);
  }
  return { ok: true, values };
}

const keyOf = ({ vault, secretName }: Planned) => `${vault.name}/${secretName}`;

/** Each secret once, however often it is named. */
async function eachOnce<T>(
  planned: readonly Planned[],
  read: (secret: Planned) => Promise<T>,
): Promise<Map<string, T>> {
  const begun = new Map<string, Promise<T>>();
  for (const secret of planned) if (!begun.has(keyOf(secret))) begun.set(keyOf(secret), read(secret));
  // All of them, also where one throws: none may go on resolving a secret after the stage has ended.
  await Promise.allSettled(begun.values());
  const results = new Map<string, T>();
  for (const [key, reading] of begun) results.set(key, await reading);
  return results;
}

async function newestOf(
  planned: Planned,
  stage: Stage,
  { vault, now, signal }: Omit<CredentialParts, 'held'>,
): Promise<Result<SecretVersion>> {
  const [newest] = await vault.properties(planned.vault.url, planned.secretName, signal);
  const code = newest ? whyUnusable(newest, now) : 'SecretNotFound';
  if (newest && !code) return { ok: true, found: newest };
  return { ok: false, failure: unusable(planned, stage, code ?? 'SecretNotFound') };
}

async function readValue(planned: Planned, parts: CredentialParts): Promise<Result<Secret>> {
  const look = await newestOf(planned, 'Submitting', parts);
  if (!look.ok) return look;
  const { vault, signal, held } = parts;
  const { url } = planned.vault;
  return {
    ok: true,
    found: held.use(await vault.value(url, planned.secretName, look.found.version, signal)),
  };
}

/**
 * Key Vault would serve an expired secret. One that its owners bound to a registry is that registry's password, also
 * where a team's list of workload secrets has its name: another team's list may have it as what it is.
 */
function whyUnusable({ enabled, expiresOn, notBefore, tags }: SecretVersion, now: Date) {
  if (tags['slipway-registry']) return 'SecretBoundToRegistry' as const;
  if (!enabled) return 'CredentialDisabled' as const;
  if (expiresOn && expiresOn <= now) return 'CredentialExpired' as const;
  return notBefore && notBefore > now ? ('CredentialNotYetValid' as const) : null;
}

const words = {
  CredentialDisabled: 'is disabled',
  CredentialExpired: 'has expired',
  CredentialNotYetValid: 'is not valid yet',
  SecretNotFound: 'does not exist',
  SecretBoundToRegistry: 'is bound to a registry by its tags',
} as const;

function unusable({ vault, secretName, pointer }: Planned, stage: Stage, code: keyof typeof words): Failure {
  return failure(code, `Secret '${secretName}' of vault '${vault.name}' ${words[code]}.`, {
    stage,
    target: pointer,
    evidence: [{ step: 'vault', host: new URL(vault.url).host, code }],
    fixes: [
      {
        who: 'caller',
        ...(code === 'SecretBoundToRegistry'
          ? { action: 'Keep what the workload needs in a secret of its own, and name that' }
          : {
              action: 'Store a valid value as a new version',
              command: command`az keyvault secret set --vault-name ${vault.name} --name ${secretName} --file /dev/stdin`,
            }),
      },
    ],
  });
}

/** Turns the vault's refusal into a failure of the deployment. */
async function explained<T>(
  { vault, secretName, pointer }: Planned,
  stage: Stage,
  look: () => Promise<Result<T>>,
): Promise<Result<T>> {
  try {
    return await look();
  } catch (error) {
    if (!(error instanceof AzureError) || error.retryable) throw error;
    const { status, code, message } = error;
    const credential = { kind: 'secret' as const, vault: vault.name, secretName, server: '' };
    const context = { stage, target: pointer, credential };
    return { ok: false, failure: explain({ kind: 'vault', status, code, message }, context) };
  }
}
