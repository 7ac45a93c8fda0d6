import type { ChangeContext } from '../../src/deployments/idempotency.ts';
import type { Asking } from '../../src/deployments/revising.ts';
import { RequestError } from '../../src/errors.ts';
import type { DeploymentRequest } from '../../src/schemas/request.ts';
import type { DeploymentRow } from '../../src/store/deployments.ts';
import { caller, registryHost, secretName } from './policy.ts';
import type { Random } from './random.ts';
import type { Replica } from './replica.ts';
import { StoreOut } from './store/ports.ts';
import type { World } from './world.ts';

/** What a client asks, perhaps more than once. */
interface Ask {
  what: string;
  /** Whether it comes with an Idempotency-Key. */
  keyed: boolean;
  /** What it was answered: the operation; null where there was nothing to do. */
  send(replica: Replica): Promise<string | null>;
  /** All that were answered. */
  operations: Set<string>;
}

export interface Clients {
  /** Someone asks for something. Returns what, for the trace. */
  ask(): string;
  /** Someone who has asked with a key asks the same again; null where nobody does. */
  askAgain(): string | null;
  /** All that was asked with a key. */
  keyed(): readonly Ask[];
}

export function createClients(world: World): Clients {
  const asks: Ask[] = [];
  let count = 0;
  const send = (ask: Ask) => {
    const answered = (operation: string | null) => {
      if (operation !== null) ask.operations.add(operation);
      world.trace.add(`${ask.what} is accepted`);
    };
    const refused = (error: unknown) => {
      const why = error instanceof RequestError ? error.code : error instanceof StoreOut ? error.name : null;
      if (why === null) world.faults.push(`a client that asked ${ask.what} met ${String(error)}`);
      world.trace.add(`${ask.what} is refused: ${why}`);
    };
    ask.send(world.random.pick(world.replicas)).then(answered, refused);
    return ask.what;
  };
  return {
    ask() {
      count += 1;
      const ask = drawAsk(world, count);
      if (ask.keyed) asks.push(ask);
      return send(ask);
    },
    askAgain() {
      const last = asks.slice(-4);
      return last.length > 0 ? `${send(world.random.pick(last))}, again` : null;
    },
    keyed: () => asks,
  };
}

export const names = ['ant', 'bee', 'cat'];

function drawAsk(world: World, count: number): Ask {
  const { random, records } = world;
  const keyed = random.chance(0.6);
  const context = (route: string): ChangeContext => ({
    ...{ requestId: `request-${count}`, route, idempotencyKey: keyed ? `key-${count}` : null },
  });
  const made = (what: string, send: Ask['send']): Ask => ({ what, keyed, send, operations: new Set() });
  const there = [...records.deployments.values()].filter(({ holdsName }) => holdsName);
  if (there.length === 0 || random.chance(0.25)) {
    const request = drawRequest(random, random.pick(names), world.time.now());
    const allowReplace = random.chance(0.5);
    return made(`create ${request.name}`, async ({ deployments }) => {
      const asking = { context: context('POST /deployments'), allowReplace };
      const { operation } = await deployments.create(caller, request, asking);
      return operation.id;
    });
  }
  if (random.chance(0.05))
    return made('rotate', async ({ rotations }) => {
      return (await rotations.rotate(caller, { secretName, team: undefined }, context('rotate'))).operation;
    });
  return drawChange(world, random.pick(there), context, made);
}

function drawRequest(random: Random, name: string, now: number): DeploymentRequest {
  const restartPolicy = random.weighed([
    [6, 'Always'],
    [1, 'OnFailure'],
    [1, 'Never'],
  ] as const);
  return {
    ...{ name, location: 'eastus', restartPolicy, timeoutSeconds: random.pick([60, 120, 240]) },
    containers: [drawContainer(random)],
    ...(random.chance(0.3) ? { onFailure: 'rollback' as const } : {}),
    ...(random.chance(0.2) ? { keepFailed: true } : {}),
    ...(random.chance(0.3) ? { onExisting: 'replace' as const } : {}),
    ...(random.chance(0.1)
      ? { expiresAt: new Date(now + 120_000 + random.below(600_000)).toISOString() }
      : {}),
  };
}

const drawImage = (random: Random) => `${registryHost}/app:${1 + random.below(3)}`;

const drawContainer = (random: Random) => ({
  ...{ name: 'app', image: drawImage(random) },
  resources: { requests: { cpu: random.pick([1, 1, 1, 2]), memoryInGB: 1.5 } },
});

type Make = (what: string, send: Ask['send']) => Ask;

function drawChange(
  { random, time }: World,
  { id, name, revision }: DeploymentRow,
  context: (route: string) => ChangeContext,
  made: Make,
): Ask {
  const asking = (route: string): Asking => ({
    context: context(route),
    ...(random.chance(0.3) ? { isExpected: deployment => deployment.revision === revision } : {}),
    onBusy: random.pick(['fail', 'queue', 'supersede'] as const),
    allowReplace: random.chance(0.5),
  });
  const request = drawRequest(random, name, time.now());
  const image = drawImage(random);
  const force = random.chance(0.5);
  const by = (
    verb: string,
    send: (replica: Replica, how: Asking) => Promise<{ operation: { id: string } } | null>,
  ) => {
    const how = asking(`POST /deployments/:id/${verb}`);
    const busy = how.onBusy === 'fail' ? '' : ` (${how.onBusy})`;
    return made(`${verb} ${name}${busy}`, async replica => (await send(replica, how))?.operation.id ?? null);
  };
  return random.weighed<() => Ask>([
    [2, () => by('put', ({ revising }, how) => revising.put(caller, id, request, how))],
    [3, () => by('images', ({ revising }, how) => revising.images(caller, id, { app: image }, how))],
    [1, () => by('redeploy', ({ revising }, how) => revising.redeploy(caller, id, how))],
    [2, () => by('rollback', ({ revising }, how) => revising.rollback(caller, id, undefined, how))],
    [2, () => by('restart', ({ verbs }, how) => verbs.restart(caller, id, { ...how, force }))],
    [2, () => by('stop', ({ verbs }, how) => verbs.stop(caller, id, how))],
    [2, () => by('start', ({ verbs }, how) => verbs.start(caller, id, { ...how, force }))],
    [4, () => by('cancel', ({ verbs }, { onBusy: _, ...how }) => verbs.cancel(caller, id, how))],
    [4, () => by('delete', ({ verbs }, how) => verbs.remove(caller, id, how))],
  ])();
}
