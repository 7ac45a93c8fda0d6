import { canonicalRegistry } from '../hosts.ts';
import { askOf, memberOf, pullOf } from './asking.ts';
import { type Decision, decide, type Plan, type PlannedRegistry } from './decide.ts';
import { matchesAny, matchesSecret } from './glob.ts';
import type { LoadedPolicy } from './load.ts';
import type { Binding, Policy, Team } from './policy.ts';

/** May this team pull from this registry with this credential? */
export interface Question {
  team: string;
  server: string;
  secret?: string | undefined;
  vault?: string | undefined;
  identity?: string | undefined;
  target?: string | undefined;
  /** Any that the team may pull from there, where absent. */
  image?: { repository: string; tag: string | null; digest: string | null } | undefined;
}

export interface Explanation {
  decision: 'allow' | 'deny';
  digest: string;
  /** Why not, as a request would be answered; null where it is allowed. */
  code: string | null;
  detail: string | null;
  /** What of the policy leads there. */
  why: string[];
  /** What is looked at only when it is done. */
  later: string[];
}

/** The decision, and why, in words. */
export function explainDecision(loaded: LoadedPolicy, question: Question): Explanation {
  const { policy, digest } = loaded;
  const decision = decideOne(loaded, question);
  if (!decision.allowed) {
    const { code, detail } = decision;
    return { decision: 'deny', digest, code, detail, why: whyNot(policy, question), later: [] };
  }
  const { plan } = decision;
  const [planned] = plan.registries;
  return {
    decision: 'allow',
    digest,
    code: null,
    detail: null,
    why: [...whyTarget(plan), ...whyRegistry(policy, question, planned), ...whoMay(policy, question.team)],
    later: planned?.kind === 'secret' ? whatBindNeeds(policy, planned) : [],
  };
}

function decideOne(loaded: LoadedPolicy, question: Question): Decision {
  const { policy } = loaded;
  const { team, server, secret, vault, identity, target, image } = question;
  const host = canonicalRegistry(server);
  const credential = {
    ...(secret === undefined ? {} : { secretName: secret }),
    ...(vault === undefined ? {} : { vault }),
    ...(identity === undefined ? {} : { identity }),
  };
  const globs = entriesOf(policy.teams[team], host).flatMap(({ repositories = ['any'] }) => repositories);
  const images = image
    ? [image]
    : [...globs, 'any'].map(glob => ({ repository: glob.replaceAll(/\*+/g, 'any') }));
  const decisions = images.map(one =>
    decide(
      loaded,
      Object.hasOwn(policy.teams, team) ? memberOf(team) : { ...memberOf(team), teams: {} },
      askOf(team, { ...pullOf(host, one, credential), ...(target === undefined ? {} : { target }) }),
    ),
  );
  const found = decisions.find(({ allowed }) => allowed) ?? decisions[0];
  if (!found) throw new Error('nothing was asked');
  return found;
}

const entriesOf = (team: Team | undefined, host: string) =>
  (team?.registries ?? []).filter(({ server }) => server === host);

function whyTarget({ team, target }: Plan): string[] {
  const { name, resourceGroup, subscription, location } = target;
  return [
    `team '${team}' deploys to target '${name}': resource group ${resourceGroup} of subscription ${subscription}, ${location}`,
  ];
}

function whyRegistry(policy: Policy, question: Question, planned: PlannedRegistry | undefined): string[] {
  const team = policy.teams[question.team];
  if (!planned || !team) return [];
  const entries = entriesOf(team, planned.host).filter(
    ({ repositories }) =>
      repositories === undefined || planned.repositories.every(path => matchesAny(repositories, path)),
  );
  const repositories = entries.map(entry => entry.repositories?.join(', ') ?? 'all repositories');
  return [
    `its registries have ${planned.host} (${[...new Set(repositories)].join('; ')})`,
    ...whyCredential(policy, team, planned),
  ];
}

function whyCredential(policy: Policy, team: Team, planned: PlannedRegistry): string[] {
  if (planned.kind === 'anonymous')
    return ['an entry of its registries says `anonymous`: no credential is sent'];
  if (planned.kind === 'identity')
    return [`its identities have ${planned.id} with \`use: pull\` for this registry`];
  const glob = (team.registrySecrets ?? []).find(name => matchesSecret([name], planned.secretName));
  const binding = bindingOf(policy, planned);
  return [
    `its registrySecrets have '${glob}', its vaults have '${planned.vault.name}' (${planned.vault.url})`,
    binding
      ? `policy binds the secret to ${registryOf(binding)}`
      : `policy has no binding for the secret, and vault '${planned.vault.name}' has \`ownersBind\``,
  ];
}

type PlannedSecret = PlannedRegistry & { kind: 'secret' };

const bindingOf = ({ bindings = [] }: Policy, { vault, secretName }: PlannedSecret) =>
  bindings.find(
    binding => binding.vault === vault.name && binding.secret.toLowerCase() === secretName.toLowerCase(),
  );

function registryOf({ registry, repositories, username }: Binding): string {
  const where = repositories ? `${repositories.join(', ')} of ${registry}` : registry;
  return username === undefined ? where : `${where} as user '${username}'`;
}

function whatBindNeeds(policy: Policy, planned: PlannedSecret): string[] {
  const ownersBind = policy.vaults?.[planned.vault.name]?.ownersBind === true;
  const tags = `slipway-registry=${planned.host}`;
  const binding = bindingOf(policy, planned);
  const said = binding
    ? ownersBind
      ? [`tags of the secret's version, where it has any, must agree: ${tags}`]
      : []
    : [
        `the secret's version must have the tag ${tags}`,
        'its tag slipway-repositories, where it has one, must cover the repository',
      ];
  const user =
    binding?.username === undefined && ownersBind ? ['the user comes from its tag slipway-username'] : [];
  return [...said, ...user, 'the version must be enabled, begun and not expired'];
}

function whyNot(policy: Policy, { team: name }: Question): string[] {
  const team = Object.hasOwn(policy.teams, name) ? policy.teams[name] : undefined;
  if (!team) return [`the policy has no team '${name}'; it has ${Object.keys(policy.teams).join(', ')}`];
  const { vaults = [], registrySecrets = [], registries = [], identities = [] } = team;
  const pulling = identities.filter(({ use }) => use === 'pull').map(({ id }) => id.split('/').at(-1) ?? '');
  const lists = Object.entries({
    registries: registries.map(({ server }) => server),
    vaults,
    registrySecrets,
    'identities for pulling': pulling,
    targets: team.targets,
  });
  return lists.map(([list, names]) => `its ${list}: ${[...new Set(names)].join(', ') || 'none'}`);
}

function whoMay(policy: Policy, team: string): string[] {
  const principals = policy.teams[team]?.principals ?? [];
  const deploying = principals.filter(({ permissions }) => permissions.includes('deploy'));
  return [`${deploying.length} of its ${principals.length} principals may deploy`];
}
