import t from 'tap';
import type { ContainerGroupState } from '../../src/azure/container-groups.ts';
import { fail, type Move } from '../../src/deployments/move.ts';
import { cancel } from '../../src/deployments/stages/cancel.ts';
import { follow } from '../../src/deployments/stages/follow.ts';
import { remove } from '../../src/deployments/stages/remove.ts';
import type { Stage, StageParts } from '../../src/deployments/stages/stage.ts';
import { stop } from '../../src/deployments/stages/verbs.ts';
import { mayMove } from '../../src/deployments/states.ts';
import { withUndoing } from '../../src/deployments/undoing.ts';
import type { Failure } from '../../src/schemas/failure.ts';
import type { DeploymentRow } from '../../src/store/deployments.ts';

const start = new Date('2026-11-24T08:00:00.000Z');

const running: ContainerGroupState = {
  ...{ id: '/x', provisioningState: 'Succeeded', tags: { 'slipway-deployment': 'd' }, events: [] },
  containers: [{ name: 'app', state: 'Running', restartCount: 0, events: [] }],
};

/** An Azure that takes deletions and lets the test say what came of them, and one deployment in the hands of a stage. */
function createWorld(stage: Stage, row: Partial<DeploymentRow>) {
  let now = start;
  let group: ContainerGroupState | null = running;
  const asked: string[] = [];
  let answer: 'accepted' | 'deleted' = 'accepted';
  let held = {
    ...{ id: 'd', name: 'web', resourceGroup: 'rg', revision: 1, liveRevision: 1, waitingFor: null },
    ...row,
  } as DeploymentRow;
  const parts = {
    containerGroups: {
      get: async () => {
        asked.push('GET');
        return group;
      },
      remove: async () => {
        asked.push('DELETE');
        if (answer === 'deleted') group = null;
        return answer;
      },
      stop: async () => {
        asked.push('stop');
      },
      logs: async () => {
        asked.push('logs');
        return 'line';
      },
    },
    savedLogs: { save: async () => {} },
    looks: { nextInMs: async () => 700 },
    clock: { now: () => now },
  } as unknown as StageParts;
  return {
    asked,
    /** What Azure shows of it from now on. */
    show(more: Partial<ContainerGroupState> | null) {
      group = more && { ...running, ...more };
    },
    answers(next: typeof answer) {
      answer = next;
    },
    pass(ms: number) {
      now = new Date(now.getTime() + ms);
    },
    /** Runs the stage once, and keeps what it would save. */
    async run(): Promise<{ move: Move; calls: string }> {
      const move = await stage(held, parts, new AbortController().signal);
      held = { ...held, ...move.patch } as DeploymentRow;
      return { move, calls: asked.splice(0).join(' ') };
    },
  };
}

const stages: [string, Stage, Partial<DeploymentRow>, string][] = [
  ['a deletion', remove, { status: 'Deleting', intent: { kind: 'Delete' } }, 'Deleted'],
  [
    'a cancellation',
    cancel,
    {
      status: 'Canceling',
      intent: {
        kind: 'Cancel',
        cancels: { operation: 'o', intent: { kind: 'Create' }, status: 'Provisioning' },
      },
    },
    'Canceled',
  ],
];

for (const [name, stage, row, end] of stages) {
  t.test(`${name} is sent once, and looked after until the group is gone`, async t => {
    const world = createWorld(stage, row);
    const { move, calls } = await world.run();
    t.equal(calls, 'GET logs DELETE');
    t.match(move, {
      ...{ to: row.status, againInMs: 700, patch: { intent: { deletionSentAt: start.toISOString() } } },
      events: [{ source: 'Arm', type: 'OperationAccepted', message: /deletion of container group 'web'/ }],
    });
    for (let n = 0; n < 5; n += 1) {
      world.pass(10_000);
      const again = await world.run();
      t.same([again.calls, again.move.againInMs, again.move.events], ['GET', 700, []]);
    }
    world.show(null);
    const ended = await world.run();
    t.match([ended.calls, ended.move.to, ended.move.outcome], ['GET', end, 'Succeeded']);
  });

  t.test(`${name} of which nothing came is sent again, one that Azure is at is not`, async t => {
    const world = createWorld(stage, row);
    await world.run();
    world.show({ provisioningState: 'Deleting' });
    world.pass(3_600_000);
    t.equal((await world.run()).calls, 'GET');
    world.show({ provisioningState: 'Succeeded' });
    t.equal((await world.run()).calls, 'GET DELETE', 'and the logs are kept once');
    t.equal((await world.run()).calls, 'GET');
    world.answers('deleted');
    world.pass(60_000);
    const last = await world.run();
    t.match(
      [last.calls, last.move.againInMs],
      ['GET DELETE', 0],
      'what is deleted at once is looked for at once',
    );
    t.equal((await world.run()).move.to, end);
  });

  t.test(`${name}: a group that comes late is deleted at once too`, async t => {
    const inDoubtUntil = new Date(start.getTime() + 60_000).toISOString();
    const intent = { ...row.intent, inDoubtUntil } as DeploymentRow['intent'];
    const world = createWorld(stage, { ...row, intent });
    const late = await world.run();
    t.equal(late.calls, 'GET logs DELETE');
    world.show(null);
    t.match((await world.run()).move, { to: row.status, patch: { waitingFor: { reason: 'LateCall' } } });
    world.answers('deleted');
    world.show(running);
    t.equal((await world.run()).calls, 'GET logs DELETE');
  });
}

t.test('a stop is sent once, and looked after until the group rests', async t => {
  const world = createWorld(stop, { status: 'Stopping', intent: { kind: 'Stop' } });
  const { move, calls } = await world.run();
  t.equal(calls, 'GET stop');
  t.match(move, { to: 'Stopping', againInMs: 700, patch: { intent: { kind: 'Stop', sent: true } } });
  for (let n = 0; n < 5; n += 1) {
    world.pass(10_000);
    const again = await world.run();
    t.same([again.calls, again.move.againInMs], ['GET', 700]);
  }
  world.show({ state: 'Stopped' });
  const ended = await world.run();
  t.match([ended.calls, ended.move.to, ended.move.outcome], ['GET', 'Stopped', 'Succeeded']);
});

t.test("a group that is not the deployment's is left alone", async t => {
  const world = createWorld(remove, { status: 'Deleting', intent: { kind: 'Delete' } });
  world.show({ tags: {} });
  const { move, calls } = await world.run();
  t.equal(calls, 'GET');
  t.match(move, { to: 'Deleted', events: [{ message: /was left alone/ }] });
});

t.test('what Azure gave up on is taken away before it is put again, and is not live meanwhile', async t => {
  const spec = { name: 'web', containers: [{ name: 'app', image: 'docker.io/app:1' }] };
  const world = createWorld(follow, {
    ...{ status: 'Provisioning', intent: { kind: 'Create' }, spec, timeline: [], seenEvents: [] },
    ...{ images: [], credentials: [], operationUrl: null, deadlineAt: new Date(start.getTime() + 600_000) },
  } as unknown as Partial<DeploymentRow>);
  const message = 'InsufficientCapacity in this region';
  world.show({
    ...{ provisioningState: 'Failed', state: 'Failed', containers: [] },
    events: [{ name: 'Failed', type: 'Warning', count: 1, message }],
  });
  const { move, calls } = await world.run();
  t.match(calls, /DELETE$/);
  t.match(move, { to: 'Submitting', patch: { liveRevision: null, health: 'Missing' } });
});

t.test('a job that failed while it ran may be taken back', async t => {
  const intent = { kind: 'Update', onFailure: 'rollback', previous: 1 };
  const row = {
    id: 'd',
    status: 'Running',
    revision: 2,
    liveRevision: 2,
    intent,
  } as unknown as DeploymentRow;
  const found = { code: 'ContainerCrashed', detail: 'It exited with 1.' } as Failure;
  const undone = withUndoing(row, fail(found, start), start);
  t.equal(undone.to, 'Resolving');
  t.ok(mayMove(row.status, undone.to));
});
