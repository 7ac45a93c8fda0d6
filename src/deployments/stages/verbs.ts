import type { ContainerGroupState } from '../../azure/container-groups.ts';
import { hasMoved, liveIn, marksOf, revisionOf } from '../group-marks.ts';
import { settle, stay } from '../move.ts';
import { viewOf } from '../observe.ts';
import { follow, gone } from './follow.ts';
import { placeOf, type Stage, type StageParts } from './stage.ts';

export const restart: Stage = (row, parts, signal) => run('restart', row, parts, signal);
export const start: Stage = (row, parts, signal) => run('start', row, parts, signal);

/**
 * How the group was is put on record first, so that after a kill one sees whether Azure has the verb already: it is not
 * sent twice.
 */
async function run(
  verb: 'restart' | 'start',
  row: Parameters<Stage>[0],
  parts: StageParts,
  signal: AbortSignal,
) {
  const { intent, status } = row;
  if (intent.sent) return follow(row, parts, signal);
  const now = parts.clock.now();
  const group = await parts.containerGroups.get(placeOf(row), signal);
  if (!group || liveIn(group, row) === null) return gone(row, now);
  if (verb === 'start' && !intent.before && isRunning(group))
    return settle('Running', { ...seen(group), observedAt: now }, [
      { at: now, source: 'Slipway', type: 'Running', phase: 'Running', message: 'It ran already' },
    ]);
  const { before } = intent;
  if (!before) return stay(status, 0, { intent: { ...intent, before: marksOf(group) } });
  if (!hasMoved(group, before)) await parts.containerGroups[verb](placeOf(row), signal);
  const message = `Azure Resource Manager took the ${verb} of container group '${row.name}'`;
  return stay(status, 300, { intent: { ...intent, sent: true }, waitingFor: null, retries: 0 }, [
    { at: now, source: 'Slipway', type: 'Submitted', message },
  ]);
}

/** Also which revision it is: whoever put it may not have lived to say so. */
const seen = (group: ContainerGroupState) => ({
  containerGroup: viewOf(group),
  liveRevision: revisionOf(group),
});

const isRunning = ({ state }: ContainerGroupState) => /^running$/i.test(state ?? '');
/** Azure does not stop what has ended by itself (documented). */
const rests = ({ state }: ContainerGroupState) => /^(?:stopped|succeeded|failed)$/i.test(state ?? '');

/** Tells Azure once, and believes it only when the group rests. */
export const stop: Stage = async (row, { containerGroups, looks, clock }, signal) => {
  const now = clock.now();
  const group = await containerGroups.get(placeOf(row), signal);
  if (!group || liveIn(group, row) === null) return gone(row, now);
  if (!rests(group)) {
    if (!row.intent.sent) await containerGroups.stop(placeOf(row), signal);
    return stay('Stopping', await looks.nextInMs(row), { intent: { ...row.intent, sent: true } });
  }
  const message = 'The containers are stopped: nothing is billed';
  return settle('Stopped', { ...seen(group), health: 'Unknown', observedAt: now }, [
    { at: now, source: 'Slipway', type: 'Stopped', phase: 'Stopped', message },
  ]);
};
