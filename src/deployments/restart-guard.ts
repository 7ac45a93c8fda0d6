import { AzureError } from '../azure/failure.ts';
import type { Vault } from '../azure/vault.ts';
import { createError } from '../errors.ts';
import type { LoadedPolicy } from '../policy/load.ts';
import type { Deployment } from '../schemas/deployment.ts';
import type { DeploymentStore, RevisionRow } from '../store/deployments.ts';
import { isAccountKey } from './spec-rules/secrets.ts';
import type { RestartGuard } from './verbs.ts';

interface GuardParts {
  vault: Pick<Vault, 'properties'>;
  store: Pick<DeploymentStore, 'revision'>;
  policy: () => LoadedPolicy;
}

/** A version of a secret that Azure uses itself at every start. */
interface Stored {
  vault?: string;
  secretName?: string;
  secretVersion?: string;
  use: string;
}

/**
 * Azure keeps the password that it was given and pulls with it at every start, and mounts shares with the key that it was
 * given: one that is no longer current turns a restart into an outage. Throws 409 then.
 */
export function createRestartGuard({ vault, store, policy }: GuardParts): RestartGuard {
  return async deployment => {
    const { id, team, liveRevision } = deployment;
    const live = liveRevision === null ? null : await store.revision([team], id, liveRevision);
    for (const stored of live ? usedAtStart(live) : []) {
      const why = await whyNotCurrent(stored);
      if (why) throw rotated(deployment, stored, why);
    }
  };

  async function whyNotCurrent({ vault: name = '', secretName, secretVersion }: Stored) {
    const url = policy().policy.vaults?.[name]?.url;
    if (secretName === undefined || secretVersion === undefined || url === undefined) return null;
    const versions = await versionsOf(url.replace(/\/$/, ''), secretName);
    const [newest] = versions;
    const stored = versions.find(({ version }) => version === secretVersion);
    if (!stored) return 'is not in the vault any more';
    if (newest?.version !== secretVersion) return `is no longer the newest, which is ${newest?.version}`;
    return stored.enabled ? null : 'is disabled';
  }

  async function versionsOf(url: string, secretName: string) {
    try {
      return await vault.properties(url, secretName);
    } catch (error) {
      if (!(error instanceof AzureError)) throw error;
      if (error.code === 'SecretNotFound') return [];
      throw createError(
        'AzureUnavailable',
        'The vault did not say whether the stored password is still current; ?force=true does not ask.',
      );
    }
  }
}

const usedAtStart = ({ credentials, workloadSecrets }: RevisionRow): Stored[] => [
  ...credentials.map(credential => ({ ...credential, use: `pull from ${credential.server}` })),
  ...workloadSecrets
    .filter(({ pointers }) => pointers.some(isAccountKey))
    .map(secret => ({ ...secret, use: 'mount a file share' })),
];

function rotated({ id, name, team }: Deployment, { secretName, secretVersion, use }: Stored, why: string) {
  const detail = `Azure stored version ${secretVersion} of secret '${secretName}' to ${use}, and that version ${why}: it may fail to ${use} again. POST /deployments/${id}/redeploy hands Azure the current one; ?force=true does it all the same.`;
  return createError('StoredCredentialRotated', detail, { about: { team, target: name } });
}
