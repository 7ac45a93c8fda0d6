import { AzureError } from '../azure/failure.ts';
import type { SecretVersion } from '../azure/vault.ts';
import type { Plan } from '../policy/decide.ts';
import type { WorkloadSecretRecord } from '../schemas/deployment.ts';
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

/** The newest versions of what policy planned for the workload, or what is wrong with one; no value is read. */
export async function findWorkloadSecrets(
  planned: Plan['workloadSecrets'],
  parts: Omit<CredentialParts, 'held'>,
): Promise<Result<WorkloadSecretRecord[]>> {
  const looks = await eachOnce(planned, secret =>
    explained(secret, 'Resolving', () => usableVersion(secret, 'Resolving', parts)),
  );
  const found: WorkloadSecretRecord[] = [];
  for (const [key, look] of looks) {
    if (!look.ok) return look;
    const uses = planned.filter(secret => keyOf(secret) === key);
    const { vault, secretName } = look.found.planned;
    found.push({
      vault: vault.name,
      secretName,
      secretVersion: look.found.version,
      pointers: uses.map(({ pointer }) => pointer),
    });
  }
  return { ok: true, found };
}

/** Reads the very versions that were found before. Throws `AzureError` where the vault does not answer. */
export async function resolveWorkloadSecrets(
  planned: Plan['workloadSecrets'],
  records: readonly WorkloadSecretRecord[],
  parts: CredentialParts,
): Promise<WorkloadSecrets> {
  const versions = new Map(
    records.map(({ vault, secretName, secretVersion }) => [`${vault}/${secretName}`, secretVersion]),
  );
  const readings = await eachOnce(planned, secret =>
    explained(secret, 'Submitting', () => readValue(secret, versions.get(keyOf(secret)), parts)),
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

/** The version that is asked for, else the newest. */
async function usableVersion(
  planned: Planned,
  stage: Stage,
  { vault, now, signal }: Omit<CredentialParts, 'held'>,
  asked?: string,
): Promise<Result<{ planned: Planned; version: string }>> {
  const versions = await vault.properties(planned.vault.url, planned.secretName, signal);
  const found = asked === undefined ? versions[0] : versions.find(({ version }) => version === asked);
  const code = found ? whyUnusable(found, now) : 'SecretNotFound';
  if (found && !code) return { ok: true, found: { planned, version: found.version } };
  const gone = versions.length > 0 && !found ? `has no version ${asked} any more` : undefined;
  return { ok: false, failure: unusable(planned, stage, code ?? 'SecretNotFound', gone) };
}

async function readValue(
  planned: Planned,
  version: string | undefined,
  parts: CredentialParts,
): Promise<Result<Secret>> {
  const look = await usableVersion(planned, 'Submitting', parts, version);
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

function unusable(
  { vault, secretName, pointer }: Planned,
  stage: Stage,
  code: keyof typeof words,
  why: string = words[code],
): Failure {
  return failure(code, `Secret '${secretName}' of vault '${vault.name}' ${why}.`, {
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
