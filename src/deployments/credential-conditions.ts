import { AzureError } from '../azure/failure.ts';
import type { SecretVersion, Vault } from '../azure/vault.ts';
import type { LoadedPolicy } from '../policy/load.ts';
import type { Condition, CredentialRecord, WorkloadSecretRecord } from '../schemas/deployment.ts';

interface LookParts {
  vault: Pick<Vault, 'properties'>;
  policy: () => LoadedPolicy;
}

type Found = Omit<Condition, 'since'>;

const soonMs = 30 * 24 * 3_600_000;

/** What became of the versions that Azure has stored since it was given them. Throws `AzureError`. */
export async function credentialConditions(
  stored: readonly (CredentialRecord | WorkloadSecretRecord)[],
  { vault, policy }: LookParts,
  now: Date,
  signal: AbortSignal,
): Promise<Found[]> {
  const found: Found[] = [];
  for (const credential of stored) {
    const { vault: name = '', secretName, secretVersion } = credential;
    const url = policy().policy.vaults?.[name]?.url.replace(/\/$/, '');
    if (secretName === undefined || secretVersion === undefined || url === undefined) continue;
    const versions = await versionsOf(vault, url, secretName, signal);
    const known = versions.find(({ version }) => version === secretVersion);
    const what = `version ${secretVersion} of secret '${secretName}', which Azure has stored,`;
    const [newest] = versions;
    if (newest?.version !== secretVersion)
      found.push({
        type: 'CredentialRotated',
        message: `${what} is ${known ? `followed by ${newest?.version}` : 'not in the vault any more'}: redeploy before it is revoked`,
      });
    const left = known?.expiresOn ? known.expiresOn.getTime() - now.getTime() : soonMs + 1;
    if (left <= soonMs)
      found.push({
        type: 'CredentialExpiring',
        message: `${what} expires at ${known?.expiresOn?.toISOString()}${'server' in credential ? ': then the images may not be pulled again' : ''}`,
      });
  }
  // One of each kind: the rest is told in it.
  return (['CredentialRotated', 'CredentialExpiring'] as const).flatMap(type => {
    const same = found.filter(each => each.type === type);
    return same.length === 0 ? [] : [{ type, message: same.map(({ message }) => message).join('; ') }];
  });
}

async function versionsOf(
  vault: Pick<Vault, 'properties'>,
  url: string,
  secretName: string,
  signal: AbortSignal,
): Promise<SecretVersion[]> {
  try {
    return await vault.properties(url, secretName, signal);
  } catch (error) {
    if (error instanceof AzureError && error.code === 'SecretNotFound') return [];
    throw error;
  }
}
