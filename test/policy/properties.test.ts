import t from 'tap';
import type { Decision } from '../../src/policy/decide.ts';
import type { Policy, Team } from '../../src/policy/policy.ts';
import { type Chance, createChance, randomTeam, universe, usablePolicy } from './random-policies.ts';
import { anyCase, decideOn, randomWish, spell, type Wish } from './random-requests.ts';

const seed = Number(process.env.SLIPWAY_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31));

interface Found {
  seed: number;
  policy: Policy;
  wish: Wish;
  [more: string]: unknown;
}

/** Looks for what contradicts a property, over many policies and wishes; says how often `interesting` was met. */
function look(
  check: (chance: Chance, policy: Policy, wish: Wish) => { fault?: object; interesting?: boolean },
): { faults: Found[]; interesting: number } {
  const faults: Found[] = [];
  let interesting = 0;
  for (let index = 0; index < 300 && faults.length < 3; index++) {
    const chance = createChance(seed + index);
    const policy = usablePolicy(chance, false);
    for (let count = 0; count < 30; count++) {
      const wish = randomWish(chance, policy);
      const found = check(chance, policy, wish);
      if (found.interesting) interesting++;
      if (found.fault) faults.push({ seed: seed + index, policy, wish, ...found.fault });
    }
  }
  return { faults, interesting };
}

/** What was decided, whatever the spelling of names in it. */
const gist = (decision: Decision) => JSON.stringify(decision).toLowerCase();

t.test("case in Azure's names and a registry's spelling change no decision", async t => {
  const { faults, interesting } = look((chance, policy, wish) => {
    const [one, other] = [spell(chance, wish), spell(chance, wish)];
    const [first, second] = [decideOn(policy, wish, one), decideOn(inOtherCase(chance, policy), wish, other)];
    const same = first.allowed
      ? gist(first) === gist(second)
      : !second.allowed && first.code === second.code && first.pointer === second.pointer;
    return { interesting: first.allowed, ...(same ? {} : { fault: { one, other, first, second } }) };
  });
  t.same(faults, [], `SLIPWAY_TEST_SEED=${seed}`);
  t.ok(interesting > 200, `${interesting} were allowed`);
});

/** The same policy, names of secrets and identities written otherwise. */
function inOtherCase(chance: Chance, policy: Policy): Policy {
  const other = structuredClone(policy);
  for (const team of Object.values(other.teams)) {
    team.registrySecrets = team.registrySecrets?.map(name => anyCase(chance, name)) ?? [];
    team.workloadSecrets = team.workloadSecrets?.map(name => anyCase(chance, name)) ?? [];
    for (const identity of team.identities ?? [])
      identity.id = anyCase(chance, identity.id).replace(/^\/subscriptions/i, '/subscriptions');
    for (const entry of team.registries ?? [])
      if (entry.credential && !universe.identities.some(id => id.endsWith(`/${entry.credential}`)))
        entry.credential = anyCase(chance, entry.credential);
  }
  for (const binding of other.bindings ?? []) binding.secret = anyCase(chance, binding.secret);
  return other;
}

t.test('another team, with whatever rights, changes no decision for those who are not in it', async t => {
  const { faults, interesting } = look((chance, policy, wish) => {
    const { deploying } = wish;
    const mine = { ...wish, deploying: deploying.filter(name => name !== 'grey') };
    const more = structuredClone(policy);
    more.teams.grey = randomTeam(chance, Object.keys(policy.targets), Object.keys(policy.vaults ?? {}));
    const request = spell(chance, mine);
    const [alone, beside] = [decideOn(policy, mine, request), decideOn(more, mine, request)];
    const same = JSON.stringify(alone) === JSON.stringify(beside);
    return { interesting: alone.allowed, ...(same ? {} : { fault: { request, alone, beside } }) };
  });
  t.same(faults, [], `SLIPWAY_TEST_SEED=${seed}`);
  t.ok(interesting > 200, `${interesting} were allowed`);
});

t.test('a right less never allows more', async t => {
  const { faults, interesting } = look((chance, policy, wish) => {
    // What policy fills in for the caller may become something else that he may.
    const named = nameAll(chance, policy, wish);
    const request = spell(chance, named);
    const before = decideOn(policy, named, request);
    const less = structuredClone(policy);
    removeRight(chance, less);
    const after = decideOn(less, named, request);
    const lost = before.allowed && !after.allowed;
    return {
      interesting: lost,
      ...(after.allowed && !before.allowed ? { fault: { request, before, after, less } } : {}),
    };
  });
  t.same(faults, [], `SLIPWAY_TEST_SEED=${seed}`);
  t.ok(interesting > 50, `${interesting} were allowed and then not`);
});

function nameAll(chance: Chance, policy: Policy, wish: Wish): Wish {
  const name = wish.team ?? wish.deploying[0] ?? '';
  const vault = policy.teams[name]?.vaults?.[0] ?? 'kv-red';
  const target = wish.target ?? policy.teams[name]?.targets[0] ?? '';
  const hosts = new Set(wish.images.map(({ host }) => host));
  const unnamed = [...hosts].filter(host => wish.credentials.every(each => each.host !== host));
  const secrets = policy.teams[name]?.registrySecrets ?? [];
  const own = universe.secrets.filter(secret => secrets.some(glob => glob.toLowerCase() === secret));
  const secret = () => chance.one(own.length > 0 ? own : universe.secrets);
  return {
    ...wish,
    team: name,
    target,
    location: wish.location ?? policy.targets[target]?.locations[0] ?? 'westeurope',
    credentials: [
      ...wish.credentials.map(each => ('secret' in each ? { vault, ...each } : each)),
      ...unnamed.map(host => ({ host, secret: secret(), vault })),
    ],
    workloadSecrets: wish.workloadSecrets.map(each => ({ vault, ...each })),
    ...(wish.workspace ? { workspace: { ...wish.workspace, key: { vault, ...wish.workspace.key } } } : {}),
    ...(wish.share ? { share: { ...wish.share, key: { vault, ...wish.share.key } } } : {}),
  };
}

/** Of what is given, not of what is limited: a binding that sends a secret to one place only is no right to it. */
function removeRight(chance: Chance, policy: Policy): void {
  const team: Team = chance.one(Object.values(policy.teams));
  const target = chance.one(Object.values(policy.targets));
  const vault = chance.one(Object.keys(policy.vaults ?? {}));
  const giving = (team.registries ?? []).filter(({ tags }) => tags !== 'pinned');
  const ownersBind = policy.vaults?.[vault]?.ownersBind === true;
  chance.one([
    () => drop(chance, team.registrySecrets),
    () => drop(chance, team.workloadSecrets),
    () => drop(chance, team.identities),
    () => drop(chance, team.targets),
    () => drop(chance, team.vaults),
    () => drop(chance, target.locations),
    () => drop(chance, target.network?.subnets),
    () => drop(chance, target.workspaces),
    () => drop(chance, target.storageAccounts),
    () => drop(chance, giving[0]?.repositories),
    () => {
      team.registries = team.registries?.filter(entry => entry !== giving[0]) ?? [];
    },
    () => {
      target.network = {};
    },
    () => {
      delete policy.vaults?.[vault]?.ownersBind;
    },
    () => {
      const others = policy.bindings?.filter((binding, index) => binding.vault !== vault || index > 0);
      if (!ownersBind) policy.bindings = others ?? [];
    },
  ])();
}

function drop<T>(chance: Chance, list: T[] | undefined): void {
  list?.splice(chance.below(list.length), 1);
}
