import { Writable } from 'node:stream';
import type { Vault } from '../../src/azure/vault.ts';
import type { Clock } from '../../src/clock.ts';
import { createLog } from '../../src/log.ts';
import type { LoadedPolicy } from '../../src/policy/load.ts';
import type { RegistryClient } from '../../src/registry/client.ts';
import { createGroups, type Group, type Groups, keyOf } from './azure/groups.ts';
import { type ArmPorts, createArmPorts } from './azure/ports.ts';
import { createSupplies, type Supplies } from './azure/supplies.ts';
import { type Calls, createCalls } from './calls.ts';
import type { Flaws } from './flaws.ts';
import { granting, withdrawing } from './policy.ts';
import { createRandom, type Random } from './random.ts';
import { createReplica, type Replica } from './replica.ts';
import { createPaces } from './store/paces.ts';
import { createStorePorts, type StorePorts } from './store/ports.ts';
import { createQueue } from './store/queue.ts';
import { createRecords, type Records } from './store/records.ts';
import { createDrivenTime, type DrivenTime } from './time.ts';
import { createTrace, type Trace } from './trace.ts';

/** All that a replica is built on. */
export interface Ports extends StorePorts {
  clock: Clock;
  vault: Vault;
  registry: RegistryClient;
  arm: ArmPorts;
}

/** What ARM did to a group, for who judges it. */
export interface Effect {
  effect: 'made' | 'changed' | 'removed';
  group: Group;
}

/** One seed's world: records, Azure, replicas and time, in which only the scheduler moves anything. */
export interface World {
  random: Random;
  time: DrivenTime;
  calls: Calls;
  groups: Groups;
  supplies: Supplies;
  records: Records;
  /** How often a group may come to be in five minutes. */
  mostCreates: number;
  replicas: Replica[];
  trace: Trace;
  /** What ARM did since this was emptied. */
  effects: Effect[];
  /** What must not be. */
  faults: string[];
  /** Groups that somebody else had a hand in. */
  touched: Set<string>;
  /** Kills, lost answers and the like. */
  disturbances: number;
  /** Whether anything still goes wrong. */
  troubled: boolean;
  calmSince: number | null;
  turnPolicy(): void;
  restart(replica: Replica): void;
}

export function createWorld(seed: number, flaws: Flaws, onLine?: (line: string) => void): World {
  const random = createRandom(seed);
  const time = createDrivenTime();
  const calls = createCalls(time);
  const effects: Effect[] = [];
  const groups = createGroups(time, random, (effect, group) => effects.push({ effect, group }));
  const supplies = createSupplies(calls, time, random, flaws);
  const records = createRecords(createQueue(time, random, flaws), flaws);
  const paces = createPaces(2 + random.below(8), flaws);
  let policy: LoadedPolicy = granting;
  let born = 0;
  const faults: string[] = [];
  const log = listen(faults);

  function start(): Replica {
    born += 1;
    const actor = { name: `replica-${born}`, alive: true };
    const ports = {
      ...createStorePorts(calls, actor, records, paces),
      ...{ clock: time.clock, vault: supplies.vault(actor), registry: supplies.registry(actor) },
      arm: createArmPorts(actor, { calls, groups, random, flaws }),
    };
    return createReplica(actor, ports, { log, policy: () => policy });
  }

  const world: World = {
    ...{ random, time, calls, groups, supplies, records, effects, faults, mostCreates: paces.most },
    replicas: [start(), start()],
    trace: createTrace(onLine),
    touched: new Set(),
    disturbances: 0,
    troubled: true,
    calmSince: null,
    turnPolicy() {
      policy = policy === granting ? withdrawing : granting;
    },
    restart(replica) {
      replica.alive = false;
      world.replicas = world.replicas.map(each => (each === replica ? start() : each));
    },
  };
  return world;
}

/** Errors that the model's ports throw; any other is a defect of the code that met it. */
const expected: ReadonlySet<string> = new Set(['AzureError', 'StoreOut', 'Error', 'ClaimLost']);

/** What the service logs is not looked at, but for errors that nobody should meet. */
function listen(faults: string[]) {
  const to = new Writable({
    write(chunk, _encoding, done) {
      const { err } = JSON.parse(String(chunk));
      if (err && !expected.has(err.name))
        faults.push(`the log tells of ${err.name}: ${err.message}\n${err.stack}`);
      done();
    },
  });
  return createLog({ level: 'warn', to });
}

export function touch(world: World, group: Group): void {
  world.touched.add(keyOf(group.place));
}
