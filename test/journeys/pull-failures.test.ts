import t from 'tap';
import { testDatabaseUrl } from '../support/database.ts';
import { eventually, startDemoWorld } from '../support/demo-world.ts';
import { createCaller, startProcess } from '../support/service.ts';
import {
  credentialsOf,
  furnish,
  imageOf,
  locations,
  throttledLocation,
  type Vector,
  vectors,
} from './pull-failures-world.ts';

const world = await startDemoWorld(t);
const { policyFile, hosts } = await furnish(world, vectors);
const here = `127.0.0.1:${new URL(world.azure.url).port}`;
const service = await startProcess(t, ['src/main.ts'], {
  ...world.env,
  ...(await testDatabaseUrl(t)),
  SLIPWAY_POLICY: policyFile,
  SLIPWAY_HOSTS: [...hosts.map(host => `${host}=${here}`), world.env.SLIPWAY_HOSTS].join(','),
});
const ask = createCaller(service.url, await world.token());
let deployments = 0;

interface Found {
  code: string;
  owner: string;
  retryable: boolean;
  confidence: string;
  detail: string;
  causes?: string[];
  fixes: unknown[];
  evidence: unknown[];
}

/** A deployment that meets what `arrange` prepares under its name; what it, or the refusal, says of that. */
async function deploy(
  vector: Vector,
  arrange: (name: string, image: string) => Promise<unknown>,
): Promise<Found | null> {
  deployments += 1;
  const name = `g-${deployments}`;
  const { image } = imageOf(vector);
  await arrange(name, image);
  const { json } = await ask('POST', '/deployments', {
    body: {
      name,
      location: locations[deployments % locations.length],
      containers: [{ name: 'app', image }],
      imageRegistryCredentials: credentialsOf(vector),
      imagePinning: 'tag',
      // What passes is tried again: as long as that.
      timeoutSeconds: 3,
    },
    headers: { prefer: 'wait=40' },
  });
  return json.failure ?? null;
}

const put = (name: string) => ({
  host: 'management.azure.com',
  method: 'PUT',
  path: `/containerGroups/${name}\\?`,
});

const refusedByArm = (response: object) => (name: string) =>
  world.control('POST', 'faults', { ...put(name), response });

const lives = (step: (image: string) => object) => (group: string, image: string) =>
  world.control('POST', 'lives', { group, pull: false, steps: [{ afterMs: 0, ...step(image) }] });

type Way = [name: string, arrange: (name: string, image: string) => Promise<unknown>];

/** The ways on which a vector comes to the service. */
function waysOf(vector: Vector): Way[] {
  switch (vector.where) {
    case 'arm-error':
      return armWays(vector);
    case 'aci-event':
      return eventWays(vector);
    case 'node-error':
      return nodeWays(vector);
    case 'registry-response':
      // How an identity signs in is Azure's to see, and comes as its event.
      return vector.credential === 'identity' ? nodeWays({ ...vector, text: vector.message ?? '' }) : [];
  }
}

function armWays({ status = 400, code, message, text, headers = {} }: Vector): Way[] {
  const error = { code: code ?? 'BadRequest', message: message ?? text ?? '' };
  const failed = { provisioningState: 'Failed', state: 'Failed', error };
  if (status < 400) return [['operation', lives(() => failed)]];
  const reply = (body: unknown) => refusedByArm({ status, headers, body });
  const outer = { code: 'BadRequest', message: 'The request is not valid; see the details.' };
  return [
    ['PUT', reply({ error })],
    ['details', reply({ error: { ...outer, details: [error] } })],
    ['innererror', reply({ error: { ...outer, innererror: error } })],
    ['wrapped', reply({ error: { code: 'DeploymentFailed', message: JSON.stringify({ error }) } })],
    ['bare', reply(error)],
    ['lower', reply({ Error: { Code: error.code.toLowerCase(), Message: error.message } })],
    ...(text || !code ? [['text', reply(error.message)] as Way] : []),
    ['operation', lives(() => failed)],
  ];
}

function eventWays({ text = '', eventName = 'Failed', state }: Vector): Way[] {
  const event = { name: eventName, message: text, type: 'Warning', count: 1 };
  const waiting = state ?? { state: 'Waiting', detailStatus: '' };
  const container = { name: 'app', currentState: waiting, events: [event] };
  return [
    ['event', lives(() => ({ provisioningState: 'Creating', state: 'Pending', containers: [container] }))],
    ['failed', lives(() => ({ provisioningState: 'Failed', state: 'Failed', containers: [container] }))],
    [
      'group',
      lives(() => ({
        provisioningState: 'Failed',
        state: 'Failed',
        events: [event],
        containers: [{ ...container, events: [] }],
      })),
    ],
  ];
}

function nodeWays({ text = '' }: Vector): Way[] {
  const event = (message: string) => ({ name: 'Failed', message, type: 'Warning', count: 1 });
  const step = (events: object[]) => ({
    provisioningState: 'Creating',
    state: 'Pending',
    containers: [
      { name: 'app', currentState: { state: 'Waiting', detailStatus: 'ImagePullBackOff' }, events },
    ],
  });
  const pulling = (image: string) => [
    { name: 'Pulling', message: `pulling image "${image}"`, type: 'Normal', count: 1 },
    event(`Failed to pull image "${image}": rpc error: code Unknown desc ${text}`),
    { name: 'BackOff', message: `Back-off pulling image "${image}"`, type: 'Normal', count: 1 },
  ];
  return [
    ['event', lives(image => step(pulling(image)))],
    ['bare event', lives(() => step([event(text)]))],
    ['failed', lives(image => ({ ...step(pulling(image)), provisioningState: 'Failed', state: 'Failed' }))],
    [
      'operation',
      lives(image => ({
        provisioningState: 'Failed',
        state: 'Failed',
        error: {
          code: 'ResourceOperationFailure',
          message: `The resource operation completed with terminal provisioning state 'Failed'. ${pulling(
            image,
          )
            .map(({ message }) => message)
            .join(';')}`,
        },
      })),
    ],
  ];
}

function judge(vector: Vector, found: Found | null): string | null {
  if (!found) return 'no failure';
  const said = `${found.code} ${found.owner} ${found.retryable} ${found.confidence}`;
  const same = found.code === vector.expected;
  const fits =
    (same || vector.alternatives?.includes(found.code)) &&
    (!same ||
      (found.owner === vector.owner &&
        found.retryable === vector.retryable &&
        (found.confidence === 'low') === vector.ambiguous));
  if (!fits)
    return `${said}, expected ${vector.expected} ${vector.owner} ${vector.retryable} ${vector.ambiguous}: ${found.detail}`;
  if (found.fixes.length === 0 || found.evidence.length === 0) return `${said} without evidence or fix`;
  return null;
}

/** All ways take a minute and a half: without `SLIPWAY_TEST_FULL` the first of each vector, and one more in turn. */
function some(ways: Way[], index: number): Way[] {
  const [first, ...others] = ways;
  if (process.env.SLIPWAY_TEST_FULL || !first) return ways;
  return [first, ...others.slice(index % Math.max(1, others.length)).slice(0, 1)];
}

/** Some at a time, in order of their places. */
async function each<T>(items: readonly T[], act: (item: T) => Promise<void>): Promise<void> {
  const left = items.values();
  const work = async () => {
    for (const item of left) await act(item);
  };
  await Promise.all(Array.from({ length: 12 }, work));
}

const isThrottled = ({ status, where }: Vector) => status === 429 && where === 'arm-error';

t.test('the recorded failures are explained by the running service, whichever way they come', async t => {
  const wrong = new Map<string, string[]>();
  const cells = vectors
    .filter(vector => !isThrottled(vector))
    .flatMap((vector, index) =>
      some(waysOf(vector), index).map(([way, arrange]) => ({ vector, way, arrange })),
    );
  await each(cells, async ({ vector, way, arrange }) => {
    const fault = judge(vector, await deploy(vector, arrange));
    if (fault !== null) wrong.set(vector.id, [...(wrong.get(vector.id) ?? []), `${way}: ${fault}`]);
  });
  for (const [id, faults] of wrong) t.fail(`${id}: ${faults.join(' | ')}`);
  const asked = new Set(cells.map(({ vector }) => vector.id)).size;
  t.comment(`pull failures through ARM and ACI ${asked - wrong.size}/${asked}, ${cells.length} deployments`);
  t.ok(cells.length > 150);
});

t.test('what registries answer is explained by the running service', async t => {
  const answers = vectors.filter(
    ({ where, credential }) => where === 'registry-response' && credential !== 'identity',
  );
  let right = 0;
  for (const vector of answers) {
    const faults: string[] = [];
    for (const [way, arrange] of registryWays(vector)) {
      const fault = judge(vector, await deploy(vector, arrange));
      await world.control('DELETE', 'faults');
      if (fault !== null) faults.push(`${way}: ${fault}`);
    }
    if (t.same(faults, [], vector.id)) right += 1;
  }
  t.comment(`pull failures of registries ${right}/${answers.length}`);
});

t.test('who is throttled waits, and the record says for what', async t => {
  for (const vector of vectors.filter(isThrottled)) {
    const { image } = imageOf(vector);
    deployments += 1;
    const name = `g-${deployments}`;
    const [[, arrange] = []] = armWays(vector);
    await arrange?.(name, image);
    const { json } = await ask('POST', '/deployments', {
      body: {
        name,
        location: throttledLocation,
        containers: [{ name: 'app', image }],
        imageRegistryCredentials: credentialsOf(vector),
        imagePinning: 'tag',
      },
      headers: { prefer: 'respond-async' },
    });
    const found = await eventually(
      `${vector.id} to be told`,
      async () => {
        const { json: deployment } = await ask('GET', `/deployments/${json.id}`);
        return deployment.failure ? deployment : null;
      },
      60_000,
    );
    t.equal(judge(vector, found.failure), null, vector.id);
    t.match(found, {
      status: 'Submitting',
      settled: false,
      waitingFor: { reason: 'ArmThrottled', until: String },
    });
    await world.control('DELETE', 'faults');
  }
});

function registryWays(vector: Vector): Way[] {
  const { status = 403, code, message, text, headers = {}, credential } = vector;
  const said = message ?? text ?? '';
  const body = code ? { errors: [{ code, message: said }] } : said;
  const { host } = imageOf(vector);
  const fault = (more: object) => world.control('POST', 'faults', { host, path: '/v2/', ...more });
  const answer = { response: { status, headers, body } };
  return [
    ['at once', () => fault(answer)],
    ...(credential === 'none'
      ? []
      : [
          [
            'signed in',
            async () => {
              await fault(answer);
              const challenge = { 'www-authenticate': 'Basic realm="x"' };
              await fault({ times: 1, response: { status: 401, headers: challenge, body: {} } });
            },
          ] as Way,
        ]),
  ];
}
