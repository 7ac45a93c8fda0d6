import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../test/support/demo-world.ts';
import type { Answer } from '../test/support/service.ts';
import type { Fleet } from './fleet.ts';
import { later } from './kill-points.ts';
import type { Step } from './matrix.ts';
import type { Accepted } from './records.ts';

export interface Settled {
  status: string;
}

export interface Outcome {
  status: string;
  failure: { code: string } | null;
}

/** What became of a step: of the deployment, of the operation, and how it was refused where it was asked for at first. */
export interface Taken {
  settled: Settled;
  outcome: Outcome;
  refused: string | null;
}

/**
 * One step of a deployment of that name, to its end; `arm` is called before it. `from`: the status that a creation has
 * reached then.
 */
export async function takeStep(
  fleet: Fleet,
  accepted: Accepted,
  { name, step, from }: { name: string; step: Step; from?: string },
  arm: () => Promise<unknown>,
): Promise<Taken> {
  const creates = step === 'create' || step === 'watch';
  if (creates && !from) await arm();
  const { id, operation: creation } = await create(fleet, accepted, name);
  if (creates && from) {
    await ended(fleet, id, from);
    await arm();
  }
  const asked = creates ? { operation: creation, refused: null } : await changeIt(fleet, id, name, step, arm);
  const { operation, refused } = asked;
  const settled = await ended(fleet, id);
  const outcome = await eventually('its operation', async () => {
    const { json } = await fleet.ask('GET', `/operations/${operation}`);
    return json.endedAt ? json : await sleep(100, null);
  });
  return { settled, outcome, refused };
}

async function create(fleet: Fleet, accepted: Accepted, name: string) {
  const body = {
    name,
    containers: [{ name: 'app', image: `myregistry.azurecr.io/${name}:1` }],
    imageRegistryCredentials: [{ server: 'myregistry.azurecr.io', secretName: name }],
  };
  const { status, text, json } = await fleet.ask('POST', '/deployments', { body, headers: later });
  if (status !== 202) throw new Error(`${status} ${text}`);
  accepted.set(name, json.id);
  return json as { id: string; operation: string };
}

async function changeIt(fleet: Fleet, id: string, name: string, step: Step, arm: () => Promise<unknown>) {
  await ended(fleet, id, step === 'cancel' ? 'Provisioning' : null);
  if (step === 'rollback') {
    // There has to be a revision to go back to.
    await change(fleet, id, name, 'change');
    await ended(fleet, id);
  }
  await arm();
  return await change(fleet, id, name, step);
}

/** Who is refused asks once more, as he is told to. */
async function change(fleet: Fleet, id: string, name: string, step: Step) {
  const first = await send(fleet, id, name, step);
  const refused: string | null = first.status === 202 ? null : first.json.code;
  const asked = refused === null ? first : await send(fleet, id, name, step);
  if (asked.status !== 202) throw new Error(`${step}: ${asked.status} ${asked.text}`);
  const [, operation = ''] =
    /\/operations\/([\w-]+)/.exec(asked.headers.get('operation-location') ?? '') ?? [];
  return { operation, refused };
}

function send(fleet: Fleet, id: string, name: string, step: Step): Promise<Answer> {
  const path = `/deployments/${id}`;
  const with_ = (body: object) => ({ body, headers: later });
  switch (step) {
    case 'delete':
      return fleet.ask('DELETE', path, { headers: later });
    case 'change':
      return fleet.ask('POST', `${path}/images`, with_({ app: `myregistry.azurecr.io/${name}:2` }));
    case 'replace': {
      const resources = { requests: { cpu: 2, memoryInGB: 3 } };
      const containers = [{ name: 'app', image: `myregistry.azurecr.io/${name}:1`, resources }];
      return fleet.ask('PATCH', `${path}?allowReplace=true`, with_({ containers }));
    }
    default:
      return fleet.ask('POST', `${path}/${step}`, { headers: later });
  }
}

// Every call may last as long as Slipway waits for it, and is made again later each time.
const longestMs = 240_000;

async function ended(fleet: Fleet, id: string, orAt: string | null = null): Promise<Settled> {
  return await eventually(
    'its end',
    async () => {
      const { json } = await fleet.ask('GET', `/deployments/${id}`);
      return json.settled || json.status === orAt ? json : await sleep(150, null);
    },
    longestMs,
  );
}
