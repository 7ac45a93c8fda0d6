import { randomUUID } from 'node:crypto';
import root from 'tap';
import { Agent, request } from 'undici';
import { testDatabaseUrl } from '../support/database.ts';
import { eventually, startDemoWorld } from '../support/demo-world.ts';
import { createCaller, requestFor, type Started, startProcess } from '../support/service.ts';

/** In full 200 rounds and 20 kills: `SLIPWAY_TEST_FULL=1`. */
const full = Boolean(process.env.SLIPWAY_TEST_FULL);
const rounds = full ? 200 : 6;
const kills = full ? 20 : 3;
const ways = 50;
/** Azure makes a hundred groups in five minutes in each region. */
const locationOf = (round: number) => (round % 2 ? 'eastus' : 'westeurope');

const world = await startDemoWorld(root);
const env = { ...world.env, ...(await testDatabaseUrl(root)) };
const token = await world.token();
let service = await startProcess(root, ['src/main.ts'], env);

interface Told {
  status: number;
  id: string | undefined;
  operation: string | undefined;
  replayed: boolean;
  retryAfter: boolean;
  state: string | undefined;
}

/** The same POST many times at once. `answered` is told of each answer; a connection that broke gives none. */
async function sendAtOnce(
  { url }: Started,
  body: object,
  key: string,
  prefer: string,
  answered: () => void = () => {},
): Promise<Told[]> {
  const dispatcher = new Agent({ connections: ways });
  const headers = {
    authorization: `Bearer ${token}`,
    'content-type': 'application/json',
    'idempotency-key': key,
    prefer,
  };
  const one = async () => {
    const answer = await request(`${url}/deployments`, {
      method: 'POST',
      headers,
      body: JSON.stringify(body),
      dispatcher,
    });
    const said = (await answer.body.json()) as { id?: string; operation?: string; status?: string };
    answered();
    return {
      status: answer.statusCode,
      id: said.id,
      operation: said.operation,
      replayed: answer.headers['idempotency-replayed'] === 'true',
      retryAfter: answer.headers['retry-after'] !== undefined,
      state: said.status,
    };
  };
  const answers = await Promise.allSettled(Array.from({ length: ways }, one));
  await dispatcher.destroy();
  return answers.flatMap(answer => (answer.status === 'fulfilled' ? [answer.value] : []));
}

/** How often Resource Manager made a group of this name. */
async function creates(name: string): Promise<number> {
  const journal = await world.journal();
  return journal.filter(
    ({ method, path, status }) =>
      method === 'PUT' && path.includes(`/containerGroups/${name}?`) && status === 201,
  ).length;
}

async function named(name: string): Promise<{ id: string; status: string }[]> {
  return (await createCaller(service.url, token)('GET', `/deployments?name=${name}`)).json.value;
}

root.test(`${ways} equal requests at once are one deployment, ${rounds} rounds`, async t => {
  let right = 0;
  for (let round = 0; round < rounds; round++) {
    const name = `twin-${round}`;
    const body = requestFor(name, { location: locationOf(round) });
    const told = await sendAtOnce(service, body, randomUUID(), 'wait=40');
    const accepted = told.filter(({ status }) => status === 200 || status === 202);
    // Where the machine is too slow for all, some are asked to come again.
    const held = told.filter(({ status, retryAfter }) => (status === 409 || status === 503) && retryAfter);
    const [deployments, made] = [await named(name), await creates(name)];
    const fits =
      accepted.length + held.length === ways &&
      new Set(accepted.map(({ id }) => id)).size === 1 &&
      new Set(accepted.map(({ operation }) => operation)).size === 1 &&
      accepted.filter(({ replayed }) => !replayed).length === 1 &&
      accepted.every(({ status, state }) => status === 200 && state === 'Running') &&
      deployments.length === 1 &&
      made === 1;
    if (
      t.ok(
        fits,
        `${name}: ${accepted.length} accepted, ${held.length} held, ${deployments.length} on record, ${made} made`,
      )
    )
      right += 1;
  }
  t.comment(`rounds of ${ways} duplicates with one deployment and one group ${right}/${rounds}`);
});

root.test('a key counts for one content, whatever its order, and joins the wait of the first', async t => {
  const ask = createCaller(service.url, token);
  const key = randomUUID();
  const post = (body: object, more: Record<string, string> = {}) =>
    ask('POST', '/deployments', { body, headers: { 'idempotency-key': key, ...more } });
  const { name, ...rest } = requestFor('keyed');
  const first = await post({ name, ...rest }, { prefer: 'respond-async' });
  const second = await post({ ...rest, name }, { prefer: 'wait=40' });
  t.same([second.status, second.json.id, second.json.status], [200, first.json.id, 'Running']);
  t.equal(second.headers.get('idempotency-replayed'), 'true');
  t.equal(second.headers.get('preference-applied'), 'wait=40');
  const other = await post({ ...rest, name: 'other' });
  t.same([other.status, other.json.code], [422, 'IdempotencyKeyReused']);
  const quoted = await ask('POST', '/deployments', {
    body: { name, ...rest },
    headers: { 'idempotency-key': `"${key}"` },
  });
  t.equal(quoted.json.id, first.json.id, 'quoted or bare, it is the same key');

  const refused = { 'idempotency-key': randomUUID() };
  t.equal((await ask('POST', '/deployments', { body: { name }, headers: refused })).status, 400);
  const corrected = await ask('POST', '/deployments', { body: requestFor('corrected'), headers: refused });
  t.equal(corrected.status, 202, 'what was refused did not take the key');

  const removal = { 'idempotency-key': randomUUID(), prefer: 'wait=40' };
  const gone = await ask('DELETE', `/deployments/${first.json.id}`, { headers: removal });
  const goneAgain = await ask('DELETE', `/deployments/${first.json.id}`, { headers: removal });
  t.same([gone.status, goneAgain.status], [200, 200]);
  t.equal(goneAgain.json.operation, gone.json.operation, 'a deletion is replayed too');
});

root.test(`the same with a kill -9 in between, ${kills} rounds`, async t => {
  let right = 0;
  for (let round = 0; round < kills; round++) {
    const name = `killed-${round}`;
    const key = randomUUID();
    let answers = 0;
    // After a share of the answers that differs from round to round: before the first, amid, at the last.
    const after = Math.round((ways * round) / Math.max(1, kills - 1));
    const kill = () => service.child.kill('SIGKILL');
    const first = sendAtOnce(service, requestFor(name), key, 'respond-async', () => {
      answers += 1;
      if (answers === after) kill();
    });
    if (after === 0) kill();
    const before = await first;
    await service.stop('SIGKILL');
    service = await startProcess(root, ['src/main.ts'], env);
    const again = await sendAtOnce(service, requestFor(name), key, 'respond-async');
    const ids = new Set([...before, ...again].flatMap(({ id }) => id ?? []));
    const settled = await eventually(
      `${name} to run`,
      async () => {
        const found = await named(name);
        return found.every(({ status }) => status === 'Running') && found;
      },
      60_000,
    );
    const made = await creates(name);
    if (
      t.ok(
        ids.size === 1 && settled.length === 1 && made === 1,
        `${name}: ${before.length} answers before, ${ids.size} ids, ${made} made`,
      )
    )
      right += 1;
  }
  t.comment(`kills amid ${ways} duplicates with one deployment and one group ${right}/${kills}`);
});
