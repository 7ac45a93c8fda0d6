import type { SecretVersion } from '../azure/vault.ts';
import { canonicalRegistry } from '../hosts.ts';
import { readTags, writtenFor } from '../policy/bind.ts';
import { matchesSecret } from '../policy/glob.ts';
import type { Policy } from '../policy/policy.ts';
import { setCommand, tagCommand } from './secret-command.ts';

export interface Finding {
  vault: string;
  secret: string | null;
  version: string | null;
  code:
    | 'TagsLost'
    | 'NotBound'
    | 'BindingsDisagree'
    | 'RegistryUnknown'
    | 'Expired'
    | 'ExpiresSoon'
    | 'NotYetValid'
    | 'Disabled'
    | 'SecretMissing'
    | 'VaultNotReadable';
  message: string;
  /** What puts it right, where a line can. */
  command?: string;
}

/** A vault of the policy, by the name there and by its own. */
export interface VaultPlace {
  key: string;
  name: string;
}

const soonMs = 30 * 86_400_000;

/** What policy says of the secrets of one vault: whether a name is meant, and as what. */
export function meaningOf({ teams, bindings = [] }: Policy, vault: string) {
  const using = Object.values(teams).filter(({ vaults = [] }) => vaults.includes(vault));
  const registry = using.flatMap(({ registrySecrets = [] }) => registrySecrets);
  const workload = using.flatMap(({ workloadSecrets = [] }) => workloadSecrets);
  const bound = bindings.filter(binding => binding.vault === vault).map(({ secret }) => secret);
  return {
    isRegistrySecret: (name: string) => matchesSecret([...registry, ...bound], name),
    isMeant: (name: string) => matchesSecret([...registry, ...bound, ...workload], name),
  };
}

/** Everything that is wrong, or soon will be, with the newest version of one secret. */
export function findingsOf(
  policy: Policy,
  vault: VaultPlace,
  secret: string,
  versions: readonly SecretVersion[],
  now: Date,
): Finding[] {
  const [newest] = versions;
  if (!newest) return [];
  const { isRegistrySecret } = meaningOf(policy, vault.key);
  const about = { vault: vault.key, secret, version: newest.version };
  const of = (code: Finding['code'], message: string, command?: string): Finding => ({
    ...about,
    code,
    message: `version ${newest.version} ${message}`,
    ...(command ? { command } : {}),
  });
  return [
    ...validityFindings(newest, now, of, () => setCommand({ vault: vault.name, secret }, newest.tags)),
    ...(isRegistrySecret(secret) ? bindingFindings(policy, vault, secret, versions, of) : []),
  ];
}

type Of = (code: Finding['code'], message: string, command?: string) => Finding;

function* validityFindings(
  { enabled, expiresOn, notBefore }: SecretVersion,
  now: Date,
  of: Of,
  renew: () => string,
): Generator<Finding> {
  if (!enabled) yield of('Disabled', 'is disabled');
  if (expiresOn && expiresOn <= now) yield of('Expired', `expired at ${expiresOn.toISOString()}`, renew());
  else if (expiresOn && expiresOn.getTime() - now.getTime() <= soonMs)
    yield of('ExpiresSoon', `expires at ${expiresOn.toISOString()}`, renew());
  if (notBefore && notBefore > now) yield of('NotYetValid', `is valid from ${notBefore.toISOString()} on`);
}

function* bindingFindings(
  policy: Policy,
  { key, name }: VaultPlace,
  secret: string,
  versions: readonly SecretVersion[],
  of: Of,
): Generator<Finding> {
  const [newest, ...older] = versions;
  const written = writtenFor(policy, { vault: { name: key }, secretName: secret });
  const ownersBind = policy.vaults?.[key]?.ownersBind === true;
  const tagged = newest && ownersBind ? readTags(newest.tags) : null;
  const before = ownersBind && !tagged ? older.find(({ tags }) => readTags(tags)) : undefined;
  const lost = before && readTags(before.tags);
  if (before && lost)
    yield of(
      'TagsLost',
      `has no tags, ${before.version} was bound to ${lost.registry}`,
      tagCommand({ vault: name, secret }, { ...before.tags, ...newest?.tags }),
    );
  else if (!tagged && !written)
    yield of(
      'NotBound',
      ownersBind ? 'is bound to no registry' : 'has no binding in the policy, and tags do not count here',
    );
  if (tagged && written) yield* disagreement(tagged, written, of);
  for (const registry of new Set([tagged, written].flatMap(each => (each ? [each.registry] : []))))
    if (!knownRegistries(policy).has(canonicalRegistry(registry)))
      yield of('RegistryUnknown', `is bound to ${registry}, which no team of the policy may use`);
}

function* disagreement(
  tagged: { registry: string; username: string | null },
  written: { registry: string; username: string | null },
  of: Of,
): Generator<Finding> {
  const hosts = [tagged, written].map(({ registry }) => canonicalRegistry(registry));
  const users = [tagged, written].flatMap(({ username }) => (username === null ? [] : [username]));
  if (hosts[0] !== hosts[1])
    yield of(
      'BindingsDisagree',
      `is bound to ${tagged.registry} by its tags and to ${written.registry} by policy`,
    );
  else if (users.length === 2 && users[0] !== users[1])
    yield of('BindingsDisagree', `is bound to user '${users[0]}' by its tags and to '${users[1]}' by policy`);
}

function knownRegistries({ teams }: Policy): Set<string> {
  const servers = Object.values(teams).flatMap(({ registries = [] }) =>
    registries.map(({ server }) => server),
  );
  return new Set(servers.map(canonicalRegistry));
}

/** Names without a glob in policy that stand in none of the vaults in which they might. `present`: folded, by vault. */
export function missingSecrets(policy: Policy, present: ReadonlyMap<string, ReadonlySet<string>>): Finding[] {
  const found = new Map<string, Finding>();
  const expect = (secret: string, vaults: readonly string[], who: string) => {
    const read = vaults.map(vault => present.get(vault));
    // What stands in a vault that was not read cannot be said to be missing.
    if (read.length === 0 || read.some(names => !names || names.has(secret.toLowerCase()))) return;
    const vault = vaults.join(', ');
    const message = `does not exist, and ${who} names it`;
    const finding: Finding = { vault, secret, version: null, code: 'SecretMissing', message };
    found.set(`${vault} ${secret.toLowerCase()}`, finding);
  };
  for (const [team, { vaults = [], registrySecrets = [], workloadSecrets = [] }] of Object.entries(
    policy.teams,
  ))
    for (const secret of [...registrySecrets, ...workloadSecrets])
      if (!secret.includes('*')) expect(secret, vaults, `team '${team}'`);
  for (const { vault, secret } of policy.bindings ?? []) expect(secret, [vault], 'a binding');
  return [...found.values()];
}
