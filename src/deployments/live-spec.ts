import type { DeploymentRow, RevisionRow } from '../store/deployments.ts';
import { isRevising } from '../store/revisions.ts';

type FindRevision = (row: DeploymentRow, number: number) => Promise<RevisionRow | null>;

/** What is done with a group as it is goes by the spec that it was made of, not by a later one that came to nothing. */
export async function withLiveSpec(row: DeploymentRow, revision: FindRevision): Promise<DeploymentRow> {
  const { liveRevision, intent } = row;
  if (isRevising(intent.kind) || liveRevision === null || liveRevision === row.revision) return row;
  const live = await revision(row, liveRevision);
  return live ? { ...row, spec: live.spec, images: live.images, credentials: live.credentials } : row;
}
