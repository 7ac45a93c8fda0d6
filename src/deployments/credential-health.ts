import type { SecretVersion } from '../azure/vault.ts';
import { bind } from '../policy/bind.ts';
import { boundBy, isGlob, plannedFor, type SecretChoice } from '../policy/choices.ts';
import type { LoadedPolicy } from '../policy/load.ts';
import type { Credential, CredentialHealth } from '../schemas/credential.ts';

/** What a vault said of a secret: its versions, newest first; none where it is missing; null where it did not say. */
export type Known = readonly SecretVersion[] | null;

/** A secret that a team may use, and the registries of the team. */
export interface TeamSecret {
  team: string;
  use: Credential['use'];
  secret: SecretChoice;
  hosts: readonly string[];
}

const soonMs = 30 * 24 * 3_600_000;

/** How a secret is: where it may be used, until when, and why not. Pure. */
export function judgeSecret(loaded: LoadedPolicy, asked: TeamSecret, known: Known, now: Date): Credential {
  const { team, use, secret, hosts } = asked;
  const byPolicy = hosts.filter(host => boundBy(loaded.policy, secret, host) === 'policy');
  const base = {
    ...nothingKnown(team, use),
    secretName: secret.secretName,
    vault: secret.vault.name,
    registries: use === 'registry' ? byPolicy : [],
  };
  if (isGlob(secret.secretName)) return { ...base, detail: 'Any secret that this matches may be named.' };
  if (known === null) return { ...base, detail: 'The vault did not answer.' };
  const [newest, previous] = known;
  if (!newest) return { ...base, health: 'Missing', detail: 'The vault has no such secret.' };

  const { version, expiresOn, notBefore } = newest;
  const binding = use === 'registry' ? bindingOf(loaded, asked, newest, previous) : free;
  const [health, detail] = binding.problem ? (['Unbound', binding.problem] as const) : validity(newest, now);
  return {
    ...base,
    registries: binding.registries,
    username: binding.username,
    version,
    expiresOn: expiresOn?.toISOString() ?? null,
    notBefore: notBefore?.toISOString() ?? null,
    health,
    detail,
  };
}

export function nothingKnown(team: string, use: Credential['use']): Credential {
  const nothing = { username: null, version: null, expiresOn: null, notBefore: null };
  return { team, use, registries: [], ...nothing, health: 'Unknown', detail: null };
}

interface Binding {
  registries: string[];
  username: string | null;
  /** Why it is bound to no registry of the team. */
  problem: string | null;
}

const free: Binding = { registries: [], username: null, problem: null };

function bindingOf(
  loaded: LoadedPolicy,
  { secret, hosts }: TeamSecret,
  { version, tags }: SecretVersion,
  previous: SecretVersion | undefined,
): Binding {
  // Its validity is told apart from where it belongs.
  const properties = { version, tags, enabled: true, ...(previous ? { previous } : {}) };
  const tried = hosts.map(host => bind(loaded, plannedFor(secret, host), properties, new Date(0)));
  const bound = tried.filter(outcome => outcome.bound);
  const [first] = bound;
  const [refusal] = tried.filter(outcome => !outcome.bound);
  const problem = first ? null : (refusal?.detail ?? 'The team has no registry to use it for.');
  return { registries: bound.map(({ host }) => host), username: first?.username ?? null, problem };
}

function validity(
  { version, enabled, expiresOn, notBefore }: SecretVersion,
  now: Date,
): readonly [CredentialHealth, string | null] {
  const which = `Version ${version}`;
  if (!enabled) return ['Disabled', `${which} is disabled.`];
  if (notBefore && notBefore > now)
    return ['NotYetValid', `${which} is valid from ${notBefore.toISOString()}.`];
  if (!expiresOn) return ['Healthy', null];
  const left = expiresOn.getTime() - now.getTime();
  if (left <= 0) return ['Expired', `${which} expired at ${expiresOn.toISOString()}.`];
  return left <= soonMs ? ['Expiring', `${which} expires at ${expiresOn.toISOString()}.`] : ['Healthy', null];
}
