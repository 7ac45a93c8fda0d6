import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { Check } from 'typebox/value';
import { diffPolicies } from '../../src/policy/diff.ts';
import { linesOfDiff } from '../../src/policy/diff-lines.ts';
import { explainDecision } from '../../src/policy/explain.ts';
import { parsePolicy } from '../../src/policy/load.ts';
import type { Policy } from '../../src/policy/policy.ts';
import { policySchema } from '../../src/policy/schema.ts';
import { findWarnings } from '../../src/policy/warnings.ts';
import { temporaryDirectory } from '../support/service.ts';
import { type Chance, createChance, usablePolicy } from './random-policies.ts';
import { decideOn, randomWish, spell, type Wish } from './random-requests.ts';

const root = join(import.meta.dirname, '../..');
const embeddedPath = join(root, 'src/policy/embedded.yaml');
const embedded = readFileSync(embeddedPath, 'utf8');
const read = (text: string) => parsePolicy([{ name: 'policy.yaml', text }]);
const changed = (from: string, to: string) => {
  if (!embedded.includes(from)) throw new Error(`the embedded policy has no ${from}`);
  return embedded.replace(from, to);
};

/** `slipway ...` as a process. */
async function slipway(args: string[], env: Record<string, string> = {}) {
  const options = { cwd: root, env: { ...process.env, SLIPWAY_POLICY: '', ...env } };
  try {
    const { stdout, stderr } = await promisify(execFile)(
      process.execPath,
      ['bin/slipway.js', ...args],
      options,
    );
    return { code: 0, out: stdout, err: stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, out: stdout, err: stderr };
  }
}

t.test('the published JSON Schema is the one that policies are checked by', async t => {
  const committed = readFileSync(join(root, 'openapi/policy.schema.json'), 'utf8');
  t.equal(committed, `${JSON.stringify(policySchema(), null, 2)}\n`, 'it is stale: run npm run openapi');
  const schema = JSON.parse(committed);
  const { policy } = read(embedded).loaded;
  t.ok(Check(schema, policy), 'as an editor reads it, the embedded policy is one');
  t.notOk(Check(schema, { ...policy, colour: 'red' }));
  t.notOk(Check(schema, { ...policy, version: 2 }));
});

t.test('policy check', async t => {
  const directory = temporaryDirectory(t);
  const path = join(directory, 'policy.yaml');

  await t.test('says that a policy can be used', async t => {
    const { code, out } = await slipway(['policy', 'check', embeddedPath]);
    t.equal(code, 0);
    t.match(out, /embedded\.yaml can be used: 2 teams, 4 of 4 expectations met, digest [0-9a-f]{64}\n$/);
    t.notMatch(out, /warning/);
  });

  await t.test('names each fault with file and line', async t => {
    writeFileSync(
      path,
      changed('vaults: [demo-vault]', 'vaults: [no-vault]').replace('targets: [other]', 'targets: [nowhere]'),
    );
    const { code, out, err } = await slipway(['policy', 'check', directory]);
    const lines = readFileSync(path, 'utf8').split('\n');
    const lineOf = (text: string) => lines.findIndex(line => line.includes(text)) + 1;
    t.equal(code, 1);
    t.equal(out, '');
    t.match(err, `${path}:${lineOf('no-vault')}: /teams/demo/vaults/0 names a vault 'no-vault'`);
    t.match(err, `${path}:${lineOf('nowhere')}: /teams/other/targets/0 names a target 'nowhere'`);
  });

  await t.test('and an expectation that is not met', async t => {
    writeFileSync(
      path,
      changed('server: evil.example, decision: deny', 'server: evil.example, decision: allow'),
    );
    const { code, err } = await slipway(['policy', 'check', path]);
    t.equal(code, 1);
    t.match(err, /policy\.yaml:\d+: expects allow, and the policy says deny \(RegistryNotAllowed/);
  });

  await t.test('cannot be asked about nothing', async t => {
    t.match(await slipway(['policy', 'check']), { code: 2, err: /Usage: slipway policy check PATH/ });
  });

  await t.test('warns of what has no effect, by its place', async t => {
    const warningsOf = (text: string) => {
      const { loaded, placeOf } = read(text);
      return [...findWarnings(loaded)].map(({ pointer, message }) => `${placeOf(pointer)} ${message}`);
    };
    t.same(warningsOf(embedded), []);
    const cases: [string, string, RegExp][] = [
      [
        'expect:',
        'bindings:\n  - { vault: demo-vault, secret: ghcr-pull, registry: evil.example }\nexpect:',
        /no team may use 'ghcr-pull' of 'demo-vault' for evil/,
      ],
      [
        '  other-vault:',
        '  more-vault: { url: "https://more-vault.vault.azure.net" }\n  other-vault:',
        /policy\.yaml:\d+ no team uses it/,
      ],
      ['registries:\n  my', 'registries:\n  evil.example: {}\n  my', /policy\.yaml:\d+ no team uses it/],
      [
        '\nteams:',
        '\n  - { name: github, issuer: "https://github.example", audience: a }\nteams:',
        /nobody signs in by 'github'/,
      ],
      [
        'other-vault: { url: "https://other-vault.vault.azure.net", ownersBind: true }',
        'other-vault: { url: "https://other-vault.vault.azure.net" }',
        /'other-pull' can be used nowhere/,
      ],
      ['anonymous: true }', 'anonymous: true, credential: ghcr-pull }', /`anonymous` says nothing/],
      [
        'registries: [myregistry.azurecr.io],\n        }\n    registries:\n      - { server: ghcr.io',
        'registries: [myregistry.azurecr.io, mcr.microsoft.com],\n        }\n    registries:\n      - { server: ghcr.io',
        /may pull from mcr\.microsoft\.com, which is no registry/,
      ],
    ];
    for (const [from, to, warning] of cases) {
      const text = changed(from, to).replace(
        /^ {2}- \{ team: demo, secret: ghcr-pull, server: ghcr.*\n/m,
        '',
      );
      t.match(warningsOf(text).join('\n'), warning, String(warning));
    }
    t.match(warningsOf(embedded.slice(0, embedded.indexOf('expect:'))).join(), /does not test itself/);
    t.match(
      warningsOf(embedded.replaceAll('[deploy, read, logs, cancel, delete]', '[read]')).join(),
      /nobody may deploy in this team/,
    );
  });
});

t.test('policy explain', async t => {
  const { loaded } = read(embedded);
  const explain = (more: Partial<Parameters<typeof explainDecision>[1]>) =>
    explainDecision(loaded, { team: 'demo', server: 'ghcr.io', ...more });

  await t.test('says what leads to yes, and what is looked at later', async t => {
    t.match(explain({ secret: 'ghcr-pull' }), {
      decision: 'allow',
      digest: loaded.digest,
      why: [
        /target 'demo': resource group my-resource-group/,
        /ghcr\.io \(myorg/,
        /'ghcr-pull'/,
        /ownersBind/,
        /1 of its 1/,
      ],
      later: [
        /must have the tag slipway-registry=ghcr\.io/,
        /slipway-repositories/,
        /slipway-username/,
        /enabled/,
      ],
    });
    t.match(
      explain({ server: 'index.docker.io', image: { repository: 'library/nginx', tag: '1', digest: null } }),
      {
        decision: 'allow',
        why: [/./, /docker\.io \(library/, /anonymous/],
        later: [],
      },
    );
    t.match(explain({ server: 'myregistry.azurecr.io' }).why.join(), /aci-acr-identity with `use: pull`/);
  });

  await t.test('and with a binding what the tags must agree to', async t => {
    const bound = read(
      changed(
        'expect:',
        'bindings:\n  - { vault: demo-vault, secret: ghcr-pull, registry: ghcr.io, username: u }\nexpect:',
      ),
    );
    const { why, later } = explainDecision(bound.loaded, {
      team: 'demo',
      server: 'ghcr.io',
      secret: 'ghcr-pull',
    });
    t.match(why.join(), /policy binds the secret to ghcr\.io as user 'u'/);
    t.match(later, [/where it has any, must agree/, /enabled/]);
  });

  await t.test('says why not, and what there is instead', async t => {
    const cases: [Parameters<typeof explain>[0], string][] = [
      [{ server: 'evil.example', secret: 'ghcr-pull' }, 'RegistryNotAllowed'],
      [{ secret: 'other-pull' }, 'CredentialNotAvailable'],
      [{ secret: 'orders-db' }, 'CredentialNotAvailable'],
      [{ secret: 'ghcr-pull', vault: 'other-vault' }, 'CredentialNotAvailable'],
      [{ secret: 'ghcr-pull', target: 'other' }, 'TargetNotAllowed'],
      [{ team: 'nobody' }, 'PermissionDenied'],
      [{ team: 'constructor' }, 'PermissionDenied'],
      [{ image: { repository: 'evil/app', tag: '1', digest: null } }, 'RegistryNotAllowed'],
    ];
    for (const [question, code] of cases)
      t.match(
        explain(question),
        { decision: 'deny', code, detail: /\w/, why: [/\w/] },
        JSON.stringify(question),
      );
    t.match(explain({ team: 'nobody' }).why, [/has no team 'nobody'; it has demo, other/]);
  });

  await t.test('on the command line', async t => {
    const question = ['policy', 'explain', '--team', 'demo', '--server', 'ghcr.io', '--secret', 'ghcr-pull'];
    const allowed = await slipway([...question, '--image', 'ghcr.io/myorg/app:1'], {
      SLIPWAY_POLICY: embeddedPath,
    });
    t.match(allowed, { code: 0, out: /^allowed\n.*when it is deployed\n.*policy [0-9a-f]{64}\n$/s });
    const denied = await slipway([
      ...question,
      '--image',
      'evil/app',
      '--policy',
      embeddedPath,
      '--output',
      'json',
    ]);
    t.equal(denied.code, 1);
    t.match(JSON.parse(denied.out), { decision: 'deny', code: 'RegistryNotAllowed' });
    for (const [args, words] of [
      [question, /Give --policy PATH, or set SLIPWAY_POLICY/],
      [[...question, '--policy', 'https://acc.blob.core.windows.net/p/p.yaml'], /is a blob: download it/],
      [[...question, '--policy', embeddedPath, '--image', 'quay.io/x'], /--image is of quay\.io/],
    ] as const)
      t.match(await slipway([...args]), { code: 2, err: words });
  });
});

t.test('policy diff', async t => {
  // What a policy expects of itself gives nobody a right.
  const rights = (text: string) => read(text.replace(/^expect:.*/ms, '')).loaded;
  const lines = (from: string, to: string) => linesOfDiff(diffPolicies(rights(from), rights(to)));
  const vault = 'https://demo-vault.vault.azure.net';

  await t.test('layout, order and other words for the same are no difference', async t => {
    t.same(lines(embedded, JSON.stringify(rights(embedded).policy)), []);
    t.same(
      lines(embedded, changed('ghcr-wrong,', 'ghcr-wrong,\n        GHCR-wrong,')).length,
      0,
      'a name in another case',
    );
    t.same(
      lines(embedded, changed('["myorg/**"]', '["myorg/**", "myorg/app", "myorg/*"]')),
      [],
      'a part of a glob',
    );
    t.same(
      lines(embedded, embedded.replaceAll('demo-vault:', 'kv:').replaceAll('[demo-vault]', '[kv]')),
      [],
      'another name for a vault',
    );
  });

  await t.test('what is lost and gained, in one line where it is alike', async t => {
    const cases: [string, string, (string | RegExp)[]][] = [
      [
        '["myorg/**"]',
        '["myorg/app"]',
        [
          'team demo',
          /^- pull myorg\/\*\* of ghcr\.io with secrets 'ghcr-pull', 'acr-admin', .*bound by its tags$/,
          '- pull myorg/** of ghcr.io by `latest` or without a tag',
        ],
      ],
      ['groups: 500', 'groups: 5', ['team demo', '- up to 5 groups (before: 500)']],
      ['groups: 500, ', '', ['team demo', '+ up to any number of groups (before: 500)']],
      ['[orders-db]', '["orders-*"]', ['team demo', `+ read secret 'orders-*' of ${vault} in the workload`]],
      [
        '"library/**"], anonymous: true',
        '"library/**"], credential: dockerhub-pull',
        ['team demo', '- pull library/** of docker.io anonymously'],
      ],
      [
        'credential: company-registry }',
        'credential: company-registry, tags: pinned }',
        ['team demo', '- pull registry.mycompany.com by `latest` or without a tag'],
      ],
      [
        '\nteams:',
        '\noperators:\n  - { issuer: embedded, subject: ann }\nteams:',
        [
          'everybody',
          '+ subject ann by https://login.microsoftonline.com/00000000-0000-0000-0000-00000000aaaa/v2.0 for 00000000-0000-0000-0000-00000000dddd is an operator',
        ],
      ],
      [
        'expect:',
        'bindings:\n  - { vault: demo-vault, secret: ghcr-pull, registry: ghcr.io, repositories: ["myorg/log-*"], username: u }\n\nexpect:',
        [
          'team demo',
          `- pull myregistry.azurecr.io, myusername/** of docker.io, library/** of docker.io, myorg/** of ghcr.io, registry.mycompany.com, registry.gone.example with secret 'ghcr-pull' of ${vault}, bound by its tags`,
          `+ pull myorg/log-* of ghcr.io with secret 'ghcr-pull' of ${vault}, bound by policy to user 'u'`,
        ],
      ],
    ];
    for (const [from, to, expected] of cases) t.match(lines(embedded, changed(from, to)), expected, to);
    const there = changed(', delete],', '],');
    t.match(lines(embedded, there), ['team demo', /^- permission delete for client .*d0001 by https/]);
    t.match(lines(there, embedded), ['team demo', /^\+ permission delete/], 'and the other way round');
  });

  await t.test('a team that is gone has lost everything', async t => {
    const { policy } = read(embedded).loaded;
    const { other: _, ...teams } = policy.teams;
    const differences = diffPolicies({ policy, digest: 'a' }, { policy: { ...policy, teams }, digest: 'b' });
    t.ok(differences.length > 10);
    t.ok(differences.every(({ team, change }) => team === 'other' && change === 'lost'));
  });

  await t.test('on the command line, as diff does', async t => {
    const path = join(temporaryDirectory(t), 'new.yaml');
    t.match(await slipway(['policy', 'diff', embeddedPath, embeddedPath]), { code: 0, out: '' });
    writeFileSync(path, changed('[orders-db]', '["orders-*"]'));
    t.match(await slipway(['policy', 'diff', embeddedPath, path]), {
      code: 1,
      out: /^team demo\n\+ read secret/,
    });
    const json = await slipway(['policy', 'diff', embeddedPath, path, '--output', 'json']);
    t.match(JSON.parse(json.out), {
      before: /^[0-9a-f]{64}$/,
      differences: [{ team: 'demo', change: 'gained', right: /orders/, secret: 'orders-*' }],
    });
    writeFileSync(path, 'version: 1');
    t.match(await slipway(['policy', 'diff', embeddedPath, path]), { code: 2, err: /new\.yaml/ });
    t.match(await slipway(['policy', 'diff', path]), { code: 2, err: /Usage/ });
  });
});

const seed = Number(process.env.SLIPWAY_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31));

/** A wish that leaves nothing to defaults: those may change without a right being lost. */
function explicitWish(chance: Chance, policy: Policy): Wish | null {
  const wish = randomWish(chance, policy);
  const [team] = wish.deploying;
  const definition = policy.teams[team ?? ''];
  const target = wish.target ?? definition?.targets[0];
  const location = wish.location ?? policy.targets[target ?? '']?.locations[0];
  const [only] = definition?.vaults ?? [];
  const named = [...wish.credentials, ...wish.workloadSecrets];
  if (!team || !target || !location || !only || wish.images.length !== 1 || wish.credentials.length !== 1)
    return null;
  for (const one of named) if ('secret' in one) one.vault ??= only;
  for (const one of [wish.workspace, wish.share]) if (one) one.key.vault ??= only;
  return { ...wish, deploying: [team], team, target, location };
}

/** The policy without one of its members, or with one that narrows it; null where there was none of that kind. */
function narrowed(chance: Chance, policy: Policy): Policy | null {
  const after = structuredClone(policy);
  const team = chance.one(Object.values(after.teams));
  const target = chance.one(Object.values(after.targets));
  const entry = team.registries?.length ? chance.one(team.registries) : undefined;
  const lists: (unknown[] | undefined)[] = [
    team.vaults,
    team.registrySecrets,
    team.workloadSecrets,
    team.identities,
    team.registries,
    entry?.repositories,
    team.targets.length > 1 ? team.targets : undefined,
    target.locations.length > 1 ? target.locations : undefined,
    target.network?.subnets,
    target.workspaces,
    target.storageAccounts,
    after.bindings,
  ];
  const list = chance.one(lists.filter(one => one?.length));
  if (!list || chance.often(0.1)) {
    if (!target.network?.public) return null;
    target.network.public = false;
  } else list.splice(chance.below(list.length), 1);
  return after;
}

t.test(
  'whatever a small change denies is told as lost by its team, and whatever it allows as gained',
  async t => {
    const missed: unknown[] = [];
    let otherwise = 0;
    for (let index = 0; index < 250; index++) {
      const chance = createChance(seed + index);
      const before = usablePolicy(chance, false);
      const after = narrowed(chance, before);
      if (!after) continue;
      const differences = diffPolicies({ policy: before, digest: 'a' }, { policy: after, digest: 'b' });
      for (let count = 0; count < 100; count++) {
        const wish = explicitWish(chance, before);
        if (!wish) continue;
        const request = spell(chance, wish);
        const [was, is] = [decideOn(before, wish, request), decideOn(after, wish, request)];
        if (was.allowed === is.allowed) continue;
        otherwise += 1;
        const change = was.allowed ? 'lost' : 'gained';
        if (!differences.some(difference => difference.team === wish.team && difference.change === change))
          missed.push({ seed: seed + index, change, wish, was, is });
      }
    }
    t.same(missed.slice(0, 2), [], `SLIPWAY_TEST_SEED=${seed}`);
    t.ok(otherwise > 20, `${otherwise} requests were decided otherwise`);
  },
);

t.test('who loses nothing is told so', async t => {
  for (let index = 0; index < 50; index++) {
    const chance = createChance(seed + index);
    const policy = usablePolicy(chance, false);
    const turned = structuredClone(policy);
    for (const team of Object.values(turned.teams))
      for (const list of [team.vaults, team.registrySecrets, team.workloadSecrets, team.identities])
        list?.reverse();
    t.same(
      diffPolicies({ policy, digest: 'a' }, { policy: turned, digest: 'b' }),
      [],
      `seed ${seed + index}`,
    );
  }
});
