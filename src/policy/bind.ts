import { canonicalRegistry } from '../hosts.ts';
import type { PlannedRegistry } from './decide.ts';
import { matchesAny } from './glob.ts';
import type { LoadedPolicy } from './load.ts';
import type { Policy } from './policy.ts';

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

type PlannedSecret = PlannedRegistry & { kind: 'secret' };

/** To what a secret is bound. */
export interface Statement {
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
  planned: PlannedSecret,
  properties: SecretProperties,
  now: Date,
): Bound {
  const name = `Secret '${planned.secretName}' (version ${properties.version})`;
  const fromPolicy = writtenFor(policy, planned);
  const ownersBind = policy.vaults?.[planned.vault.name]?.ownersBind === true;
  const fromTags = ownersBind ? readTags(properties.tags, fromPolicy?.registry) : null;
  const statements = [fromPolicy, fromTags].filter(statement => statement !== null);
  // Where tags do not count, those of a version before explain nothing.
  if (statements.length === 0)
    return notBound(`${name} is bound to no registry${ownersBind ? lostTags(properties) : ''}.`);
  for (const statement of statements) {
    const mismatch = mismatchOf(statement, planned);
    if (mismatch) return notBound(`${name} ${mismatch}.`);
  }
  const usernames = [
    ...new Set(statements.map(({ username }) => username).filter(username => username !== null)),
  ];
  if (usernames.length > 1)
    return notBound(`${name} is bound to one user by policy and to another by its tags.`);
  // Last: to renew a secret that is bound elsewhere would not help, nor is its validity this caller's business.
  return (
    whyInvalid(name, properties, now) ?? { bound: true, host: planned.host, username: usernames[0] ?? null }
  );
}

function whyInvalid(
  name: string,
  { enabled, expiresOn, notBefore }: SecretProperties,
  now: Date,
): (Bound & { bound: false }) | null {
  if (!enabled) return { bound: false, code: 'CredentialDisabled', detail: `${name} is disabled.` };
  if (expiresOn && expiresOn <= now) {
    const detail = `${name} expired at ${expiresOn.toISOString()}.`;
    return { bound: false, code: 'CredentialExpired', detail };
  }
  if (notBefore && notBefore > now) {
    const detail = `${name} is valid from ${notBefore.toISOString()}.`;
    return { bound: false, code: 'CredentialNotYetValid', detail };
  }
  return null;
}

/** Why policy alone already keeps a secret from a registry; null where it allows it, or where the tags decide. */
export function unboundByPolicy(policy: Policy, planned: PlannedSecret): string | null {
  const name = `Secret '${planned.secretName}'`;
  const written = writtenFor(policy, planned);
  const mismatch = written && mismatchOf(written, planned);
  if (mismatch) return `${name} ${mismatch}.`;
  return written || policy.vaults?.[planned.vault.name]?.ownersBind
    ? null
    : `${name} is bound to no registry: policy has no binding for it, and tags do not count in vault '${planned.vault.name}'.`;
}

/** What the policy itself binds a secret to. */
export function writtenFor(
  { bindings = [] }: Policy,
  { vault, secretName }: { vault: { name: string }; secretName: string },
): Statement | null {
  const written = bindings.find(
    binding => binding.vault === vault.name && binding.secret.toLowerCase() === secretName.toLowerCase(),
  );
  if (!written) return null;
  const { registry, username = null, repositories = null } = written;
  return { registry, username, repositories };
}

function mismatchOf({ registry, repositories }: Statement, planned: PlannedSecret): string | null {
  if (canonicalRegistry(registry) !== planned.host) return `is bound to ${registry}, not to ${planned.host}`;
  const outside = planned.repositories.find(
    repository => repositories !== null && !matchesAny(repositories, repository),
  );
  return outside === undefined
    ? null
    : `is bound to ${repositories?.join(', ')} of ${registry}, not to ${outside}`;
}

const notBound = (detail: string): Bound => ({ bound: false, code: 'CredentialNotBoundToRegistry', detail });

/**
 * What the tags of a secret bind it to; null where they say nothing. Those that name no registry speak of the one that
 * policy binds it to: whoever narrows the repositories there means it.
 */
export function readTags(tags: Record<string, string>, bound?: string): Statement | null {
  const username = tags['slipway-username'] || null;
  const repositories = tags['slipway-repositories']?.split(/[\s,]+/).filter(Boolean) ?? null;
  const registry = tags['slipway-registry'] || (username || repositories ? bound : undefined);
  return registry ? { registry, username, repositories } : null;
}

/** Tags belong to a version: one stored without them is unbound, which nobody expects. */
function lostTags({ version, previous }: SecretProperties): string {
  const before = previous ? readTags(previous.tags) : null;
  return previous && before
    ? `: version ${version} has no tags, ${previous.version} was bound to ${before.registry}`
    : '';
}
