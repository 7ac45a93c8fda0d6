import type { Intent } from '../../schemas/intent.ts';
import type { DeploymentRow } from '../../store/deployments.ts';
import { ownTags } from '../container-group.ts';
import { liveIn, marksOf } from '../group-marks.ts';
import { goOn, refuse } from '../move.ts';
import { decideAgain, placeOf, type Stage } from './stage.ts';

/** The change is one that no container notices, and nothing is to be proven for it. */
export const isKept = ({ intent, status }: DeploymentRow) =>
  intent.keeps !== undefined && (status === 'Resolving' || status === 'Submitting');

/**
 * Gives the group that is there the tags of the new revision: nothing restarts. Where it is not the one that was meant any
 * more, the change is one like any other.
 */
export const keep: Stage = async (row, parts, signal) => {
  if (row.status === 'Resolving') return goOn('Submitting');
  const now = parts.clock.now();
  const again = decideAgain(row, parts);
  if (!again.allowed) return refuse(row, again.failure, now);
  const { keeps, ...intent } = row.intent;
  const present = await parts.containerGroups.get(placeOf(row), signal);
  const live = liveIn(present, row);
  if (!present || (live !== row.revision && live !== keeps?.revision))
    return goOn('Resolving', { intent, images: [], credentials: [], workloadSecrets: [] });
  if (live !== row.revision) await parts.documents.tag(placeOf(row), tagsOf(present.tags, row), signal);
  const message = 'The containers go on as they are: only tags, and what Slipway itself reads, are otherwise';
  return goOn(
    'Provisioning',
    {
      liveRevision: row.revision,
      operationUrl: null,
      intent: { ...row.intent, before: marksOf(present) },
    },
    [{ at: now, source: 'Slipway', type: 'Kept', message }],
  );
};

/** Those of others stay. */
function tagsOf(
  present: Record<string, string>,
  { id, team, revision, spec, images, intent }: DeploymentRow,
) {
  const { untag = [] }: Partial<NonNullable<Intent['keeps']>> = intent.keeps ?? {};
  const kept = Object.entries(present).filter(([name]) => !untag.includes(name));
  return { ...Object.fromEntries(kept), ...ownTags({ deployment: id, revision, team, spec, images }) };
}
