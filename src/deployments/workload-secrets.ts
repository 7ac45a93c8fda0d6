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

export type WorkloadSecrets =
  /** By the pointer at which the request names it. */
  { ok: true; values: ReadonlyMap<string, Secret> } | { ok: false; failure: Failure };

type Reading = { ok: true; value: Secret } | { ok: false; failure: Failure };

/**
 * Reads what policy planned for the workload, each secret once, however often it is named. Throws `AzureError` where the
 * vault does not answer.
 */
export async function resolveWorkloadSecrets(
  planned: Plan['workloadSecrets'],
  parts: CredentialParts,
): Promise<WorkloadSecrets> {
  const readings = new Map<string, Promise<Reading>>();
  for (const secret of planned)
    if (!readings.has(keyOf(secret))) readings.set(keyOf(secret), readOne(secret, parts));
  // All of them, also where one throws: none may go on resolving a secret after the stage has ended.
  await Promise.allSettled(readings.values());

  const values = new Map<string, Secret>();
  for (const secret of planned) {
    const reading = await readings.get(keyOf(secret));
    if (!reading?.ok) return reading ?? { ok: false, failure: notFound(secret) };
    values.set(secret.pointer, reading.value);
  }
  return { ok: true, values };
}

const keyOf = ({ vault, secretName }: Planned) => `${vault.name}/${secretName}`;

async function readOne(planned: Planned, parts: CredentialParts): Promise<Reading> {
  const { vault: place, secretName } = planned;
  const { vault, now, signal, held } = parts;
  try {
    const [newest] = await vault.properties(place.url, secretName, signal);
    if (!newest) return { ok: false, failure: notFound(planned) };
    const code = whyUnusable(newest, now);
    if (code) return { ok: false, failure: unusable(planned, code) };
    return { ok: true, value: held.use(await vault.value(place.url, secretName, newest.version, signal)) };
  } catch (error) {
    if (!(error instanceof AzureError) || error.retryable) throw error;
    return { ok: false, failure: explainVault(error, planned) };
  }
}

/** Key Vault would serve an expired secret. */
function whyUnusable({ enabled, expiresOn, notBefore }: SecretVersion, now: Date) {
  if (!enabled) return 'CredentialDisabled' as const;
  if (expiresOn && expiresOn <= now) return 'CredentialExpired' as const;
  return notBefore && notBefore > now ? ('CredentialNotYetValid' as const) : null;
}

function unusable({ vault, secretName, pointer }: Planned, code: Failure['code']): Failure {
  const detail = `Secret '${secretName}' of vault '${vault.name}' cannot be used any more.`;
  return failure(code, detail, {
    stage: 'Submitting',
    target: pointer,
    evidence: [{ step: 'vault', host: new URL(vault.url).host, code }],
    fixes: [
      {
        who: 'caller',
        action: 'Store a valid value as a new version',
        command: command`az keyvault secret set --vault-name ${vault.name} --name ${secretName} --file /dev/stdin`,
      },
    ],
  });
}

function notFound(planned: Planned): Failure {
  const { vault, secretName } = planned;
  const detail = `Vault '${vault.name}' has no secret '${secretName}'.`;
  return { ...unusable(planned, 'SecretNotFound'), detail };
}

function explainVault(
  { status, code, message }: AzureError,
  { vault, secretName, pointer }: Planned,
): Failure {
  const credential = { kind: 'secret' as const, vault: vault.name, secretName, server: '' };
  return explain(
    { kind: 'vault', status, code, message },
    { stage: 'Submitting', target: pointer, credential },
  );
}
