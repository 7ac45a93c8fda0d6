import t from 'tap';
import { Check } from 'typebox/value';
import { Policy, type Team } from '../../src/policy/policy.ts';
import { DeploymentRequest } from '../../src/schemas/request.ts';
import { createOracle } from './cedar-oracle.ts';
import { createChance, usablePolicy } from './random-policies.ts';
import { decideOn, randomWish, spell } from './random-requests.ts';

const seed = Number(process.env.SLIPWAY_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31));
const policies = 1_000;
const requestsEach = 100;

interface Disagreement {
  seed: number;
  policy: Policy;
  request: DeploymentRequest;
  cedar: boolean;
  decision: unknown;
}

/** Asks both about one policy; `mutate` gives `decide` another one. */
function compare(own: number, requests: number, mutate: (policy: Policy) => void = () => {}) {
  const chance = createChance(own);
  const policy = usablePolicy(chance);
  const oracle = createOracle(policy);
  const decided = structuredClone(policy);
  mutate(decided);
  const disagreements: Disagreement[] = [];
  const codes: string[] = [];
  let allowed = 0;
  for (let count = 0; count < requests; count++) {
    const wish = randomWish(chance, policy);
    const request = spell(chance, wish);
    const cedar = oracle(wish);
    const decision = decideOn(decided, wish, request);
    if (cedar) allowed++;
    if (!decision.allowed) codes.push(decision.code);
    if (cedar !== decision.allowed) disagreements.push({ seed: own, policy, request, cedar, decision });
  }
  return { allowed, codes, disagreements };
}

t.test('what is asked is what the schemas take', async t => {
  const chance = createChance(seed);
  const strange: unknown[] = [];
  for (let count = 0; count < 100; count++) {
    const policy = usablePolicy(chance);
    if (!Check(Policy, policy)) strange.push(policy);
    const request = spell(chance, randomWish(chance, policy));
    if (!Check(DeploymentRequest, request)) strange.push(request);
  }
  t.same(strange, [], `SLIPWAY_TEST_SEED=${seed}`);
});

t.test(`Cedar says the same of ${policies * requestsEach} random policies and requests`, async t => {
  let allowed = 0;
  const codes = new Set<string>();
  const disagreements: Disagreement[] = [];
  for (let index = 0; index < policies && disagreements.length < 3; index++) {
    const result = compare(seed + index, requestsEach);
    allowed += result.allowed;
    for (const code of result.codes) codes.add(code);
    disagreements.push(...result.disagreements);
  }
  const cases = policies * requestsEach;
  t.same(disagreements.slice(0, 3), [], `0 disagreements (SLIPWAY_TEST_SEED=${seed})`);
  t.ok(allowed > cases / 20, `${allowed} of ${cases} are allowed`);
  t.same([...codes].sort(), everyDenial, 'every reason to deny was met');
  t.comment(`cedar: ${cases} requests, ${allowed} allowed, ${disagreements.length} disagreements`);
});

const everyDenial = [
  'CredentialNotAvailable',
  'CredentialNotBoundToRegistry',
  'IdentityNotAvailable',
  'InvalidRequest',
  'PermissionDenied',
  'RegistryCredentialMissing',
  'RegistryNotAllowed',
  'TargetNotAllowed',
];

const eachTeam = (change: (team: Team) => void) => (policy: Policy) => {
  for (const team of Object.values(policy.teams)) change(team);
};

const eachTarget = (change: (target: Policy['targets'][string]) => void) => (policy: Policy) => {
  for (const target of Object.values(policy.targets)) change(target);
};

/** Each gives `decide` one right or one limit less than Cedar has. */
const mutations: Record<string, (policy: Policy) => void> = {
  'a registry secret': eachTeam(team => team.registrySecrets?.pop()),
  'a workload secret': eachTeam(team => team.workloadSecrets?.pop()),
  'an identity': eachTeam(team => team.identities?.pop()),
  'a registry': eachTeam(team => team.registries?.pop()),
  'a target': eachTeam(team => team.targets.length > 1 && team.targets.pop()),
  'a vault': eachTeam(team => team.vaults?.pop()),
  'a glob of repositories': eachTeam(({ registries = [] }) => {
    for (const { repositories } of registries) repositories?.pop();
  }),
  'the limit to repositories': eachTeam(({ registries = [] }) => {
    for (const entry of registries) delete entry.repositories;
  }),
  'the limit of an identity to registries': eachTeam(({ identities = [] }) => {
    for (const identity of identities) delete identity.registries;
  }),
  'the use of identities': eachTeam(({ identities = [] }) => {
    for (const identity of identities) identity.use = 'pull';
  }),
  'the limit to pinned tags': eachTeam(({ registries = [] }) => {
    for (const entry of registries) delete entry.tags;
  }),
  'a binding': policy => policy.bindings?.pop(),
  'the repositories of bindings': policy => {
    for (const binding of policy.bindings ?? []) delete binding.repositories;
  },
  "the vaults' right to bind": policy => {
    for (const vault of Object.values(policy.vaults ?? {})) delete vault.ownersBind;
  },
  'a location': policy => {
    for (const target of Object.values(policy.targets))
      if (target.locations.length > 1) target.locations.pop();
  },
  'the limit to private addresses': policy => {
    for (const target of Object.values(policy.targets)) target.network = { ...target.network, public: true };
  },
  'a subnet': eachTarget(({ network }) => network?.subnets?.pop()),
  'a workspace': eachTarget(({ workspaces }) => workspaces?.pop()),
  'a storage account': eachTarget(({ storageAccounts }) => storageAccounts?.pop()),
  "the vault of a registry's default": eachTeam(({ registries = [] }) => {
    for (const entry of registries) if (entry.vault) entry.vault = 'kv-nowhere';
  }),
};

t.test('a policy with one right or limit less is told apart from itself', async t => {
  for (const [what, mutate] of Object.entries(mutations)) {
    let found = 0;
    for (let index = 0; index < 2_000 && found === 0; index++)
      found = compare(seed + index, 50, mutate).disagreements.length;
    t.ok(found > 0, `without ${what} (SLIPWAY_TEST_SEED=${seed})`);
  }
});
