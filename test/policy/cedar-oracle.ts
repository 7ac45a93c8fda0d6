import { preparsePolicySet, statefulIsAuthorized } from '@cedar-policy/cedar-wasm/nodejs';
import type { Policy, Team } from '../../src/policy/policy.ts';
import type { Wish } from './random-requests.ts';

type Uid = { type: string; id: string };
type Facts = Record<string, string | boolean | number>;

/** Judges wishes by Cedar: the policy document written anew as Cedar policies, one per right and one per limit. */
export function createOracle(policy: Policy): (wish: Wish) => boolean {
  const parsed = preparsePolicySet('policy', { staticPolicies: [...cedarPolicies(policy)].join('\n') });
  if (parsed.type === 'failure') throw new Error(parsed.errors.map(({ message }) => message).join('\n'));
  // The same question has the same answer, and asking is what takes the time.
  const answers = new Map<string, boolean>();
  const ask: Ask = (...question) => {
    const key = JSON.stringify(question);
    const answer = answers.get(key) ?? askCedar(...question);
    answers.set(key, answer);
    return answer;
  };
  return wish => allows(policy, wish, ask);
}

type Ask = typeof askCedar;

/** Every question that a wish comes down to must be answered yes. */
function allows(policy: Policy, wish: Wish, ask: Ask): boolean {
  const team = wish.team ?? (wish.deploying.length === 1 ? wish.deploying[0] : undefined);
  if (team === undefined) return false;
  const caller = { uid: entity('Caller', 'c'), attrs: {}, parents: wish.deploying.map(deployersOf) };
  const mayDeploy = ask(entity('Caller', 'c'), 'deploy', entity('Team', team), {}, [caller]);
  const rights = policy.teams[team];
  if (!mayDeploy || !rights) return false;
  for (const question of questions(policy, rights, wish))
    if (question === null || !ask(entity('Team', team), ...question)) return false;
  return true;
}

type Question = [action: string, resource: Uid, facts: Facts];

/** What Cedar is asked; null where the wish itself is contradictory. */
function* questions(policy: Policy, team: Team, wish: Wish): Generator<Question | null> {
  const target = wish.target ?? team.targets[0] ?? '';
  const location = wish.location ?? policy.targets[target]?.locations[0] ?? '';
  yield ['deployTo', entity('Target', target), { location, public: wish.public }];
  for (const { host, repository, tag, digest } of wish.images)
    yield ['pull', entity('Registry', host), { ...path(repository), pinned: isPinned(tag, digest) }];
  yield* credentialQuestions(team, wish);
  for (const { secret, vault } of wish.workloadSecrets)
    yield vaultQuestion('hand to the workload', team, vault, { secret });
  for (const id of wish.workloadIdentities) yield ['attach', entity('Identity', id), {}];
  yield* placeQuestions(team, target, wish);
}

function* placeQuestions(
  team: Team,
  target: string,
  { subnets, workspace, share }: Wish,
): Generator<Question | null> {
  const place = entity('Target', target);
  for (const subnet of subnets) yield ['join', place, { subnet: subnet.toLowerCase() }];
  if (workspace) yield ['log to', place, { workspace: workspace.id }];
  if (share) yield ['mount', place, { account: share.account }];
  for (const { key } of [workspace, share].filter(each => each !== undefined))
    yield vaultQuestion('hand to the workload', team, key.vault, { secret: key.secret });
}

const isPinned = (tag: string | null, digest: string | null) =>
  digest !== null || (tag !== null && tag !== 'latest');

function* credentialQuestions(team: Team, { images, credentials }: Wish): Generator<Question | null> {
  const hosts = new Set(images.map(({ host }) => host));
  const named = credentials.map(({ host }) => host);
  if (new Set(named).size < named.length || named.some(host => !hosts.has(host))) yield null;
  for (const host of hosts) {
    const own = images.filter(image => image.host === host);
    const credential = credentials.find(candidate => candidate.host === host);
    const used =
      credential ??
      defaultOf(
        team,
        host,
        own.map(({ repository }) => repository),
      );
    if (used === null) yield null;
    else if ('identity' in used) yield ['pull as', entity('Identity', used.identity), { host }];
    else if ('secret' in used)
      for (const { repository } of own)
        yield vaultQuestion('send to a registry', team, used.vault, {
          secret: used.secret,
          host,
          ...path(repository),
        });
  }
}

/** The first entry that covers the images and says how to pull. */
function defaultOf(team: Team, host: string, repositories: string[]) {
  const entry = team.registries?.find(
    ({ server, repositories: globs, anonymous, credential }) =>
      server === host &&
      (anonymous || credential !== undefined) &&
      repositories.every(text => globs === undefined || globs.some(glob => globToRegExp(glob).test(text))),
  );
  if (!entry) return null;
  if (entry.credential === undefined) return {};
  const identity = team.identities?.find(
    ({ id, use, registries }) =>
      use === 'pull' &&
      id.toLowerCase().endsWith(`/${entry.credential?.toLowerCase()}`) &&
      (registries === undefined || registries.includes(host)),
  );
  return identity
    ? { identity: identity.id.toLowerCase() }
    : { secret: entry.credential, vault: entry.vault };
}

const globToRegExp = (glob: string) =>
  new RegExp(`^${glob.replaceAll('.', '\\.').replaceAll(/\*+/g, run => (run === '*' ? '[^/]*' : '.*'))}$`);

function vaultQuestion(
  action: string,
  { vaults = [] }: Team,
  vault: string | undefined,
  facts: Facts & { secret: string },
): Question | null {
  const place = vault ?? (vaults.length === 1 ? vaults[0] : undefined);
  return place === undefined
    ? null
    : [action, entity('Vault', place), { ...facts, secret: facts.secret.toLowerCase() }];
}

const entity = (type: string, id: string): Uid => ({ type, id });
const deployersOf = (team: string) => entity('Deployers', team);
const path = (repository: string) => ({ repository, slashes: repository.split('/').length - 1 });

function askCedar(
  principal: Uid,
  action: string,
  resource: Uid,
  context: Facts,
  entities: { uid: Uid; attrs: Record<string, never>; parents: Uid[] }[] = [],
): boolean {
  const answer = statefulIsAuthorized({
    principal,
    action: entity('Action', action),
    resource,
    context,
    entities,
    preparsedPolicySetId: 'policy',
  });
  if (answer.type === 'failure') throw new Error(answer.errors.map(({ message }) => message).join('\n'));
  const { errors } = answer.response.diagnostics;
  if (errors.length > 0) throw new Error(JSON.stringify(errors));
  return answer.response.decision === 'allow';
}

function* cedarPolicies(policy: Policy): Generator<string> {
  for (const [name, team] of Object.entries(policy.teams)) {
    yield `permit(principal in Deployers::"${name}", action == Action::"deploy", resource == Team::"${name}");`;
    for (const target of team.targets)
      if (policy.targets[target]) yield permit(name, 'deployTo', 'Target', target);
    yield* registryPolicies(name, team);
    yield* identityPolicies(name, team);
    for (const vault of team.vaults ?? [])
      if (policy.vaults?.[vault]) yield* secretPolicies(name, team, vault);
  }
  for (const [name, { network, workspaces = [], storageAccounts = [] }] of Object.entries(policy.targets)) {
    const subnets = (network?.subnets ?? []).map(subnet => subnet.toLowerCase());
    yield permitAny('join', name, within('subnet', subnets));
    yield permitAny('log to', name, within('workspace', workspaces));
    yield permitAny('mount', name, within('account', storageAccounts));
  }
  for (const [name, { locations, network }] of Object.entries(policy.targets))
    yield forbid(
      'deployTo',
      'Target',
      name,
      `!(${within('location', locations)}) || (context.public && ${network?.public !== true})`,
    );
  yield* bindingPolicies(policy);
}

function* registryPolicies(name: string, { registries = [] }: Team): Generator<string> {
  for (const { server, repositories, tags } of registries) {
    const covered = repositories === undefined ? 'true' : anyOf(repositories.map(likePath));
    yield permit(name, 'pull', 'Registry', server, covered);
    if (tags === 'pinned')
      yield forbid(
        'pull',
        'Registry',
        server,
        `(${covered}) && !context.pinned`,
        `principal == Team::"${name}"`,
      );
  }
}

function* identityPolicies(name: string, { identities = [] }: Team): Generator<string> {
  for (const { id, use, registries } of identities)
    if (use === 'workload') yield permit(name, 'attach', 'Identity', id.toLowerCase());
    else
      yield permit(
        name,
        'pull as',
        'Identity',
        id.toLowerCase(),
        registries === undefined ? 'true' : within('host', registries),
      );
}

function* secretPolicies(
  name: string,
  { registrySecrets = [], workloadSecrets = [] }: Team,
  vault: string,
): Generator<string> {
  const forRegistries = anyOf(registrySecrets.map(likeSecret));
  const forWorkloads = anyOf(workloadSecrets.map(likeSecret));
  yield permit(name, 'send to a registry', 'Vault', vault, `(${forRegistries}) && !(${forWorkloads})`);
  yield permit(name, 'hand to the workload', 'Vault', vault, `(${forWorkloads}) && !(${forRegistries})`);
}

/** What is bound goes where it is bound to; in a vault whose owners may not bind, what is unbound goes nowhere. */
function* bindingPolicies({ vaults = {}, bindings = [] }: Policy): Generator<string> {
  for (const { vault, secret, registry, repositories } of bindings) {
    const there = `context.host == "${registry}" && (${repositories ? anyOf(repositories.map(likePath)) : 'true'})`;
    yield forbid(
      'send to a registry',
      'Vault',
      vault,
      `context.secret == "${secret.toLowerCase()}" && !(${there})`,
    );
  }
  for (const [vault, { ownersBind }] of Object.entries(vaults)) {
    const bound = bindings
      .filter(binding => binding.vault === vault)
      .map(({ secret }) => secret.toLowerCase());
    if (!ownersBind) yield forbid('send to a registry', 'Vault', vault, `!(${within('secret', bound)})`);
  }
}

const permit = (team: string, action: string, type: string, id: string, when = 'true') =>
  `permit(principal == Team::"${team}", action == Action::"${action}", resource == ${type}::"${id}") when { ${when} };`;
const permitAny = (action: string, target: string, when: string) =>
  `permit(principal, action == Action::"${action}", resource == Target::"${target}") when { ${when} };`;
const forbid = (action: string, type: string, id: string, when: string, principal = 'principal') =>
  `forbid(${principal}, action == Action::"${action}", resource == ${type}::"${id}") when { ${when} };`;
const anyOf = (conditions: string[]) => conditions.map(each => `(${each})`).join(' || ') || 'false';
const within = (fact: string, values: string[]) =>
  anyOf(values.map(value => `context.${fact} == "${value}"`));
const likeSecret = (glob: string) => `context.secret like "${glob.toLowerCase()}"`;

/**
 * Cedar's `*` crosses slashes, ours does not: with as many slashes in the text as in the glob, none was crossed. A `**`
 * beside a `*` stands for so many whole parts.
 */
function likePath(glob: string): string {
  const folded = glob.replaceAll(/\*{2,}/g, '**');
  if (!folded.includes('**')) return likeExactly(folded);
  if (!/(?<!\*)\*(?!\*)/.test(folded)) return `context.repository like "${folded.replaceAll('**', '*')}"`;
  if (/[^/]\*\*|\*\*[^/]/.test(folded)) throw new Error(`'${glob}' has a ** that is no part of its own`);
  const parts = [1, 2, 3, 4].map(count => folded.replace('**', Array(count).fill('*').join('/')));
  return anyOf(parts.map(likeExactly));
}

const likeExactly = (glob: string) =>
  `context.slashes == ${glob.split('/').length - 1} && context.repository like "${glob}"`;
