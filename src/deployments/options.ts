import type { Clock } from '../clock.ts';
import { boundBy, identityChoices, secretChoices } from '../policy/choices.ts';
import type { LoadedPolicy } from '../policy/load.ts';
import type { Policy, Target, Team, TeamRegistry } from '../policy/policy.ts';
import type { CredentialOption, Options, RegistryOption, Share, TargetOption } from '../schemas/options.ts';
import type { Caller } from '../schemas/principal.ts';
import type { Quota, QuotaUse } from '../store/quota.ts';
import { mostContainers } from './spec-rules/containers.ts';
import { mostOfGroup } from './spec-rules/group.ts';
import { teamFor } from './team-for.ts';

interface OptionParts {
  /** What a team has of its quota now. */
  used(team: string, now: Date): Promise<QuotaUse>;
  policy: () => LoadedPolicy;
  clock: Clock;
}

export type OptionsOf = ReturnType<typeof createOptions>;

/** What a form needs to offer only what will be accepted: decided from the policy alone, but for what is left of the quota. */
export function createOptions({ used, policy, clock }: OptionParts) {
  return async (caller: Caller, asked: string | undefined): Promise<Options> => {
    const { policy: whole } = policy();
    const { name, team } = teamFor(whole, caller, asked);
    return {
      team: name,
      permissions: caller.teams[name] ?? [],
      targets: team.targets.flatMap(target => targetOption(target, whole.targets[target])),
      registries: (team.registries ?? []).map(entry => registryOption(whole, team, entry)),
      workloadSecrets: secretChoices(whole, team, 'workload').map(({ vault, secretName }) => ({
        secretName,
        vault: vault.name,
      })),
      identities: identityChoices(team, 'workload').map(({ id }) => id),
      quota: quotaOption(team.quota ?? {}, await used(name, clock.now())),
    };
  };
}

function targetOption(name: string, target: Target | undefined): TargetOption[] {
  if (!target) return [];
  const { locations, network = {}, workspaces = [], storageAccounts = [] } = target;
  const { public: open = false, subnets = [] } = network;
  const limits = { containers: mostContainers, ...mostOfGroup };
  return [{ name, locations, network: { public: open, subnets }, workspaces, storageAccounts, limits }];
}

function registryOption(policy: Policy, team: Team, entry: TeamRegistry): RegistryOption {
  const { server, repositories = null, tags = 'any', anonymous = false } = entry;
  return { server, repositories, tags, anonymous, credentials: credentialOptions(policy, team, entry) };
}

/** The default first. */
function credentialOptions(
  policy: Policy,
  team: Team,
  { server, credential, vault: itsVault }: TeamRegistry,
): CredentialOption[] {
  const isDefault = (name: string) => name.toLowerCase() === credential?.toLowerCase();
  const identities = identityChoices(team, 'pull', server).map(({ id, name }) => ({
    identity: id,
    boundBy: 'policy' as const,
    default: isDefault(name),
  }));
  const secrets = secretChoices(policy, team, 'registry').flatMap(choice => {
    const { vault, secretName } = choice;
    const by = boundBy(policy, choice, server);
    const first = isDefault(secretName) && (itsVault ?? vault.name) === vault.name;
    return by ? [{ secretName, vault: vault.name, boundBy: by, default: first }] : [];
  });
  return [...identities, ...secrets].sort((a, b) => Number(b.default) - Number(a.default));
}

function quotaOption(limits: Quota, used: QuotaUse): Options['quota'] {
  const share = (which: keyof Quota): Share => {
    const limit = limits[which] ?? null;
    const left = limit === null ? null : Math.max(0, rounded(limit - used[which]));
    return { limit, used: rounded(used[which]), left };
  };
  return {
    groups: share('groups'),
    cpu: share('cpu'),
    memoryInGB: share('memoryInGB'),
    deploysPerHour: share('deploysPerHour'),
  };
}

const rounded = (amount: number) => Math.round(amount * 1000) / 1000;
