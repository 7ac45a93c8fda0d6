import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { parse } from 'yaml';
import { testDatabaseUrl } from '../support/database.ts';
import { eventually, type JournalEntry, startDemoWorld } from '../support/demo-world.ts';
import { type Answer, createCaller, startProcess } from '../support/service.ts';
import { allCells, type Cell, requestOf } from './confused-deputy-cells.ts';
import { breaches, deployingTeams, type Written, withoutOthers } from './confused-deputy-expectation.ts';
import { furnish } from './confused-deputy-world.ts';

const policyFile = join(import.meta.dirname, 'confused-deputy.yaml');
const policy: Written = parse(readFileSync(policyFile, 'utf8'));
const cells = [...allCells()];
const isDenied = (cell: Cell) => [...breaches(policy, cell)].length > 0;
const denied = cells.filter(isDenied);
const allowed = cells.filter(cell => !isDenied(cell));

const world = await startDemoWorld(t);
await furnish(world);
const service = await startProcess(t, ['src/main.ts'], {
  ...world.env,
  ...(await testDatabaseUrl(t)),
  SLIPWAY_POLICY: policyFile,
  // A caller's own registry is there: what is sent to it would be seen.
  SLIPWAY_HOSTS: `evil.example=127.0.0.1:${new URL(world.azure.url).port},${world.env.SLIPWAY_HOSTS}`,
});
const callers = new Map<string, ReturnType<typeof createCaller>>();
for (const name of ['red', 'blue', 'green', 'both'])
  callers.set(name, createCaller(service.url, await world.token(name)));

async function ask(cell: Cell, name = 'cell'): Promise<Answer> {
  const caller = callers.get(cell.as);
  if (!caller) throw new Error(`nobody is called ${cell.as}`);
  const headers = { prefer: 'respond-async' };
  return caller('POST', '/deployments', { body: requestOf(cell, name), headers });
}

/** Some at a time, in order of their places. */
async function each<T>(items: readonly T[], act: (item: T, index: number) => Promise<void>): Promise<void> {
  const left = items.entries();
  const work = async () => {
    for (const [index, item] of left) await act(item, index);
  };
  await Promise.all(Array.from({ length: 16 }, work));
}

let seen = (await world.journal()).at(-1)?.seq ?? 0;

/** What vaults, registries and Resource Manager were asked since the last look; signing keys are no secret. */
async function asked(): Promise<JournalEntry[]> {
  const entries = await world.journal(seen);
  seen = entries.at(-1)?.seq ?? seen;
  return entries.filter(({ host }) => host !== 'login.microsoftonline.com');
}

const answers = new Map<Cell, Answer>();

t.test('what the policy file does not allow is denied, for its reason and without a call', async t => {
  const wrong: object[] = [];
  for (let from = 0; from < denied.length; from += 500) {
    const batch = denied.slice(from, from + 500);
    await each(batch, async cell => {
      const answer = await ask(cell);
      answers.set(cell, answer);
      const reasons = [...breaches(policy, cell)];
      if (![400, 403].includes(answer.status) || !reasons.includes(answer.json?.code))
        wrong.push({ cell, reasons, status: answer.status, text: answer.text });
    });
    const calls = await asked();
    if (calls.length > 0) wrong.push({ batch: from, calls: calls.slice(0, 5) });
  }
  t.same(wrong.slice(0, 3), []);
  t.ok(cells.length >= 5_000, `${cells.length} cells`);
  t.comment(`confused-deputy: ${denied.length} denied cells, ${denied.length - wrong.length} as expected`);
});

t.test('what is not his answers as what nobody has', async t => {
  const differing: object[] = [];
  const twins = new Map<string, Promise<string>>();
  await each(denied, async cell => {
    const answer = answers.get(cell);
    if (!answer) throw new Error('the cell was not asked');
    const twin = withoutOthers(policy, cell);
    const key = JSON.stringify(twin);
    const known = twins.get(key) ?? ask(twin).then(found => mask(found, twin));
    twins.set(key, known);
    const [his, nobodys] = [mask(answer, cell), await known];
    if (his !== nobodys) differing.push({ cell, twin, his, nobodys });
  });
  t.same(differing.slice(0, 3), []);
  t.same(await asked(), [], 'and nobody is asked about it');
  t.ok(twins.size > 1_000, `${twins.size} requests for what does not exist`);
});

/** An answer without what must differ: the request's id, its length, the time, and the names that the caller gave. */
function mask(
  { status, headers, text }: Answer,
  { team, target, image, credential, workload }: Cell,
): string {
  const named = [credential, workload].flatMap(each =>
    !each ? [] : 'identity' in each ? [each.identity] : [each.secret, each.vault],
  );
  const names = [team, target, image.host, image.repository, credential?.server, ...named]
    .filter(name => name !== undefined)
    .sort((one, other) => other.length - one.length);
  const fixed = [...headers].filter(([name]) => !['date', 'content-length', 'x-request-id'].includes(name));
  const masked = text.replace(/urn:uuid:[0-9a-f-]{36}/, 'urn:uuid');
  const whole = (name: string) => new RegExp(`(?<![\\w-])${RegExp.escape(name)}(?![\\w-])`, 'g');
  return names.reduce(
    (left, name) => left.replaceAll(whole(name), '<name>'),
    `${status} ${JSON.stringify(fixed)} ${masked}`,
  );
}

t.test('what it allows is accepted until the quota ends it, and reaches nothing of others', async t => {
  const accepted: { cell: Cell; answer: Answer }[] = [];
  const wrong: object[] = [];
  await each(spread(allowed), async (cell, index) => {
    const answer = await ask(cell, `cell-${index}`);
    answers.set(cell, answer);
    if (answer.status === 202) accepted.push({ cell, answer });
    else if (answer.json?.code !== 'TeamQuotaExceeded') wrong.push({ cell, text: answer.text });
  });
  t.same(wrong.slice(0, 3), []);
  t.equal(accepted.length, 18, 'six of each team');
  for (const { cell, answer } of accepted) await settle(cell, answer);

  const hosts = new Set((await asked()).map(({ host }) => host));
  for (const host of ['kv-red.vault.azure.net', 'kv-blue.vault.azure.net', 'management.azure.com', 'ghcr.io'])
    t.ok(hosts.has(host), `${host} was asked`);
  t.notOk(hosts.has('evil.example'));
  await checkGroups(t, accepted);
  t.comment(`confused-deputy: ${cells.length} cells, ${answers.size - wrong.length} as expected`);
});

/** Far apart ones first: the quota takes no more than the first few of each team. */
const spread = (all: readonly Cell[]) =>
  all
    .map((cell, index) => ({ cell, place: (index * 37) % all.length }))
    .sort((a, b) => a.place - b.place)
    .map(({ cell }) => cell);

async function settle(cell: Cell, { json }: Answer): Promise<void> {
  await eventually(
    `the end of ${json.name}`,
    async () => (await callers.get(cell.as)?.('GET', `/deployments/${json.id}`))?.json.settled,
    60_000,
  );
}

interface StoredGroup {
  id: string;
  name: string;
  identity?: { userAssignedIdentities?: Record<string, object> };
  properties: { imageRegistryCredentials?: { server: string; username?: string; identity?: string }[] };
}

const bound = [
  'ghcr.io red-bot red',
  'ghcr.io tagged-bot red',
  'ghcr.io tagged-bot green',
  'registry.mycompany.com blue-bot blue',
  'registry.mycompany.com shared-bot green',
];

/** Whatever the service said: what Azure was sent holds no other pairs than the policy and the vault's tags bind. */
async function checkGroups(t: Test, accepted: readonly { cell: Cell; answer: Answer }[]): Promise<void> {
  const { containerGroups } = (await world.control('GET', 'world')) as {
    containerGroups: Record<string, StoredGroup>;
  };
  const groups = Object.values(containerGroups);
  t.ok(groups.length > 3, `${groups.length} groups run`);
  for (const { id, name, identity, properties } of groups) {
    const made = accepted.find(({ answer }) => answer.json.name === name);
    if (!made) {
      t.fail(`${name} was never accepted`);
      continue;
    }
    const team = made.cell.team ?? deployingTeams(policy, made.cell)[0] ?? '';
    t.match(id, `/resourceGroups/rg-${made.cell.target.replace('-prod', '')}/`);
    for (const { server, username } of properties.imageRegistryCredentials ?? [])
      if (username !== undefined)
        t.ok(bound.includes(`${server} ${username} ${team}`), `${server} ${username} ${team}`);
    for (const attached of Object.keys(identity?.userAssignedIdentities ?? {}))
      t.match(attached.toLowerCase(), `/resourcegroups/rg-${team}/`);
  }
}

t.test('the matrix would notice a right too much or too few', async t => {
  const noticed = (change: (changed: Written) => void) => {
    const changed = structuredClone(policy);
    change(changed);
    return cells.some(
      cell => [...breaches(changed, cell)].length > 0 !== [400, 403].includes(answers.get(cell)?.status ?? 0),
    );
  };
  t.notOk(noticed(() => {}));
  t.ok(noticed(({ teams }) => teams.red?.registrySecrets.push('orders-db')));
  t.ok(noticed(({ teams }) => teams.blue?.targets.push('shared')));
  t.ok(noticed(({ teams }) => teams.red?.vaults.push('kv-blue')));
  t.ok(noticed(({ teams }) => teams.red?.identities?.pop()));
  t.ok(noticed(({ bindings }) => bindings.pop()));
  t.ok(noticed(({ vaults }) => delete vaults['kv-red']?.ownersBind));
  t.ok(noticed(({ teams }) => teams.green?.registries.push({ server: 'evil.example' })));
});
