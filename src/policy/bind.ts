import { canonicalRegistry } from '../hosts.ts';
import type { PlannedRegistry } from './decide.ts';
import { matchesAny } from './glob.ts';
import type { LoadedPolicy } from './load.ts';

/** A secret's properties, read before its value. */
export interface SecretProperties {
  version: string;
  tags: Record<string, string>;
  enabled: boolean;
  expiresOn?: Date;
  notBefore?: Date;
  /** The version before it. */
  previous?: { version: string; tags: Record<string, string> };
}

export type Bound =
  | { bound: true; host: string; username: string | null }
  | {
      bound: false;
      code:
        | 'CredentialNotBoundToRegistry'
        | 'CredentialExpired'
        | 'CredentialNotYetValid'
        | 'CredentialDisabled';
      detail: string;
    };

interface Statement {
  registry: string;
  username: string | null;
  repositories: readonly string[] | null;
}

/**
 * Says whether a secret may go to the registry that was planned. Policy binds it, or its tags where the vault's owners
 * may; where both speak they agree; where neither does it goes nowhere. Key Vault would serve an expired one.
 */
export function bind(
  { policy }: LoadedPolicy,
  planned: PlannedRegistry & { kind: 'secret' },
  properties: SecretProperties,
  now: Date,
): Bound {
  const name = `Secret '${planned.secretName}' (version ${properties.version})`;
  if (!properties.enabled)
    return { bound: false, code: 'CredentialDisabled', detail: `${name} is disabled.` };
  if (properties.expiresOn && properties.expiresOn <= now)
    return {
      bound: false,
      code: 'CredentialExpired',
      detail: `${name} expired at ${properties.expiresOn.toISOString()}.`,
    };
  if (properties.notBefore && properties.notBefore > now)
    return {
      bound: false,
      code: 'CredentialNotYetValid',
      detail: `${name} is valid from ${properties.notBefore.toISOString()}.`,
    };

  const written = (policy.bindings ?? []).find(
    ({ vault, secret }) =>
      vault === planned.vault.name && secret.toLowerCase() === planned.secretName.toLowerCase(),
  );
  const fromPolicy: Statement | null = written
    ? {
        registry: written.registry,
        username: written.username ?? null,
        repositories: written.repositories ?? null,
      }
    : null;
  const fromTags = policy.vaults?.[planned.vault.name]?.ownersBind ? readTags(properties.tags) : null;
  const statements = [fromPolicy, fromTags].filter(statement => statement !== null);
  if (statements.length === 0) return notBound(`${name} is bound to no registry${lostTags(properties)}.`);
  for (const { registry, repositories } of statements) {
    if (canonicalRegistry(registry) !== planned.host)
      return notBound(`${name} is bound to ${registry}, not to ${planned.host}.`);
    const outside = planned.repositories.find(
      repository => repositories !== null && !matchesAny(repositories, repository),
    );
    if (outside !== undefined)
      return notBound(`${name} is bound to ${repositories?.join(', ')} of ${registry}, not to ${outside}.`);
  }
  const usernames = [
    ...new Set(statements.map(({ username }) => username).filter(username => username !== null)),
  ];
  if (usernames.length > 1)
    return notBound(`${name} is bound to one user by policy and to another by its tags.`);
  return { bound: true, host: planned.host, username: usernames[0] ?? null };
}

const notBound = (detail: string): Bound => ({ bound: false, code: 'CredentialNotBoundToRegistry', detail });

function readTags(tags: Record<string, string>): Statement | null {
  const registry = tags['slipway-registry'];
  if (!registry) return null;
  const repositories = tags['slipway-repositories']?.split(/[\s,]+/).filter(Boolean) ?? null;
  return { registry, username: tags['slipway-username'] || null, repositories };
}

/** Tags belong to a version: one stored without them is unbound, which nobody expects. */
function lostTags({ version, previous }: SecretProperties): string {
  const before = previous ? readTags(previous.tags) : null;
  return previous && before
    ? `: version ${version} has no tags, ${previous.version} was bound to ${before.registry}`
    : '';
}
