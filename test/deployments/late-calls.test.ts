import t from 'tap';
import type { ContainerGroupState } from '../../src/azure/container-groups.ts';
import { liveIn } from '../../src/deployments/group-marks.ts';
import { afterLoss, lateCall, untilNothingIsLate } from '../../src/deployments/late-calls.ts';
import { withLiveSpec } from '../../src/deployments/live-spec.ts';
import { goOn, settle } from '../../src/deployments/move.ts';
import type { DeploymentRow, RevisionRow } from '../../src/store/deployments.ts';
import { wholeIntent } from '../../src/store/whose-turn.ts';
import { change } from '../support/store.ts';

const now = new Date('2026-11-24T10:00:00Z');
const later = (ms: number) => new Date(now.getTime() + ms);

const rowOf = (more: Partial<DeploymentRow>) =>
  ({
    ...{ id: 'd', status: 'Submitting', revision: 2, liveRevision: 1, waitingFor: null },
    ...{ intent: { kind: 'Update' }, spec: { name: 'web', containers: [] }, images: [], credentials: [] },
    ...more,
  }) as unknown as DeploymentRow;

t.test('what a worker was sending when he was lost is reckoned with for a minute', async t => {
  const row = rowOf({});
  t.equal(afterLoss(row, 0, now), row, 'nobody was lost');
  const taken = afterLoss(row, 1, now);
  t.match(lateCall(taken, now), { revision: 2 });
  t.equal(lateCall(taken, later(60_000)), null);
  const ended = settle('Running', { liveRevision: 2 }, []);
  t.equal(untilNothingIsLate(taken, ended, now), ended, 'the same again does no harm');
});

t.test('nothing comes to rest over a call of another revision, also after the next change', async t => {
  const lost = afterLoss(rowOf({ revision: 1 }), 1, now);
  const next = change('d', { intent: { kind: 'Update' }, now: later(10_000) });
  const row = rowOf({
    status: 'Provisioning',
    intent: wholeIntent(rowOf({ ...lost, status: 'Running' }), next),
  });
  t.match(row.intent.late, { revision: 1 }, 'it is carried over');
  const held = untilNothingIsLate(row, settle('Running', { liveRevision: 2 }, []), later(20_000));
  t.match(held, { to: 'Provisioning', againInMs: 40_000, patch: { waitingFor: { reason: 'LateCall' } } });
  t.equal(held.outcome, undefined);
  const onward = goOn('Provisioning');
  t.equal(untilNothingIsLate(row, onward, later(20_000)), onward, 'what goes on does not wait');
  const certain = change('d', { now: later(90_000) });
  t.equal(
    wholeIntent(rowOf({ ...lost, status: 'Running' }), certain).late,
    undefined,
    'it has arrived, or never will',
  );
});

t.test('who supersedes the one who was lost does not know which revision may come', async t => {
  const intent = wholeIntent(rowOf({}), change('d', { intent: { kind: 'Update' }, now }));
  t.equal(intent.inDoubtUntil, later(60_000).toISOString());
  const row = rowOf({ status: 'Accepted', revision: 3, intent });
  t.equal(afterLoss(row, 0, now), row, 'where he ended in order nothing comes');
  t.match(afterLoss(row, 1, now).intent.late, { revision: null, until: intent.inDoubtUntil });
});

t.test('a group that is being deleted is not live', async t => {
  const tags = { 'slipway-deployment': 'd', 'slipway-revision': '2' };
  const group: ContainerGroupState = { id: 'g', tags, events: [], containers: [] };
  t.equal(liveIn({ ...group, provisioningState: 'Succeeded' }, { id: 'd' }), 2);
  t.equal(liveIn({ ...group, provisioningState: 'Deleting' }, { id: 'd' }), null);
});

t.test('a verb goes by the spec that is live, a change by its own', async t => {
  const spec = { name: 'web', containers: [], restartPolicy: 'Always' } as const;
  const live = { number: 1, spec, images: [], credentials: [] } as unknown as RevisionRow;
  const find = async () => live;
  const update = rowOf({});
  t.equal(await withLiveSpec(update, find), update);
  const restart = rowOf({ intent: { kind: 'Restart' } });
  t.equal((await withLiveSpec(restart, find)).spec, spec);
  const current = rowOf({ intent: { kind: 'Restart' }, liveRevision: 2 });
  t.equal(await withLiveSpec(current, find), current);
});
