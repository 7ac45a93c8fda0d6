import type { DeploymentStore } from '../../../src/store/deployments.ts';
import type { FollowingStore } from '../../../src/store/following.ts';
import type { HealthStore } from '../../../src/store/health.ts';
import type { PacingStore } from '../../../src/store/pacing.ts';
import { deploymentOf } from '../../../src/store/reading.ts';
import { revisionOf } from '../../../src/store/revisions.ts';
import type { RotationStore } from '../../../src/store/rotations.ts';
import type { Actor, Calls } from '../calls.ts';
import { accept, acceptChange, replay, usedCpu } from './accepting.ts';
import { crowdsIn, followedIn, restingIn, takeTurn } from './crowds.ts';
import { claimLook, observedIn, planLook, saveFinding, saw } from './looks.ts';
import { operationOf } from './operations.ts';
import type { Paces } from './paces.ts';
import { type Records, revisionIn } from './records.ts';
import { acceptRotation, settleRotation, usesIn } from './rotations.ts';
import { drop, settle } from './settling.ts';

/** The database did not answer, or its answer was lost. */
export class StoreOut extends Error {
  override readonly name = 'StoreOut';
}

export interface StorePorts {
  store: DeploymentStore;
  rotations: RotationStore;
  health: HealthStore;
  pacing: PacingStore;
  following: FollowingStore;
}

/** The store as one replica sees it: each method is one transaction, and a call that may be lost on either way. */
export function createStorePorts(calls: Calls, actor: Actor, records: Records, paces: Paces): StorePorts {
  const run = <T>(what: string, act: () => T): Promise<T> =>
    calls.make({
      ...{ actor, act, what: `store ${what}`, longestMs: 10_000 },
      silence: () => new StoreOut('the connection to the store was lost'),
    });
  return {
    store: createStore(run, records),
    rotations: {
      accept: asked => run('accept rotation', () => acceptRotation(records, asked)),
      load: async id => records.rotations.get(id) ?? null,
      settle: (claim, row, move) => run('settle rotation', () => settleRotation(records, claim, row, move)),
      uses: (teams, secret) => run('uses', () => usesIn(records, teams, secret)),
      versionsInUse: async () => [],
    },
    health: {
      claim: (now, leaseUntil) => run('claim look', () => claimLook(records, now, leaseUntil)),
      plan: (look, next) => run('plan look', () => planLook(records, look, next)),
      observed: look => run('observed', () => observedIn(records, look)),
      saw: (rows, at) => run('saw', () => saw(records, rows, at)),
      save: (row, finding) => run('save finding', () => saveFinding(records, row, finding)),
    },
    pacing: createPacingPort(run, paces),
    following: {
      crowds: async () => crowdsIn(records),
      resting: async () => restingIn(records),
      takeTurn: (place, now, dueAt) => run('take turn', () => takeTurn(records, place, now, dueAt)),
      followed: async place => followedIn(records, place),
      wake: async ids => {
        for (const id of ids) records.queue.reschedule(id, 0);
      },
    },
  };
}

type Run = <T>(what: string, act: () => T) => Promise<T>;

function createStore(run: Run, records: Records): DeploymentStore {
  const find: DeploymentStore['find'] = async (teams, ref) => {
    const seen = [...records.deployments.values()].filter(
      ({ team }) => teams === 'all' || teams.includes(team),
    );
    const named =
      'id' in ref
        ? seen.filter(({ id }) => id === ref.id)
        : seen.filter(({ name, target }) => name === ref.name && target === ref.target);
    const found = named.find(({ holdsName }) => holdsName) ?? named.at(-1);
    return found ? deploymentOf(found) : null;
  };
  return {
    find,
    accept: asked => run('accept', () => accept(records, asked)),
    acceptChange: change => run(`accept ${change.intent.kind}`, () => acceptChange(records, change)),
    replayed: asked => run('replayed', () => replay(records, asked)),
    async findOperation(_teams, id) {
      const operation = records.operations.get(id);
      return operation ? operationOf(operation) : null;
    },
    load: id => run('load', () => records.deployments.get(id) ?? null),
    settle: (claim, row, made) =>
      run(`settle ${row.status} -> ${made.to}`, () => settle(records, claim, row, made)),
    drop: (claim, row) => run('drop', () => drop(records, claim, row)),
    revision: async (_teams, id, number) => revisionIn(records, id, number),
    async revisions(_teams, id, { before = Number.POSITIVE_INFINITY, size }) {
      const earlier = (records.revisions.get(id) ?? []).filter(({ number }) => number < before).reverse();
      return { value: earlier.slice(0, size).map(revisionOf), more: earlier.length > size };
    },
    async lastSucceeded(_teams, id, before) {
      const earlier = (records.revisions.get(id) ?? []).filter(({ number }) => number < before);
      return earlier.findLast(({ outcome }) => outcome === 'Succeeded')?.number ?? null;
    },
    async used(team) {
      return { groups: 0, cpu: usedCpu(records, team), memoryInGB: 0, deploysPerHour: 0 };
    },
    list: notAsked,
    events: notAsked,
    teamEvents: notAsked,
    lastPosition: notAsked,
    lastPositions: notAsked,
    watch: notAsked,
  };
}

/** Reads that only HTTP asks for. */
async function notAsked(): Promise<never> {
  throw new Error('the simulation does not ask for that');
}

function createPacingPort(run: Run, paces: Paces): PacingStore {
  const heard: Parameters<PacingStore['onBlocked']>[0][] = [];
  return {
    reserve: ask => run('reserve', () => paces.reserve(ask)),
    take: ask => run('take', () => paces.take(ask)),
    giveBack: ask => run('give back', () => paces.giveBack(ask)),
    release: async deployment => paces.release(deployment),
    block: ({ key }, until) => run('block', () => paces.block(key, until)),
    async learn() {},
    async learnBucket() {},
    async tellBlocked(key, until) {
      for (const hear of heard) hear(key, until);
    },
    onBlocked: hear => heard.push(hear),
    async close() {},
  };
}
