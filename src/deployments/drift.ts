import type { GroupDocument } from '../azure/group-documents.ts';
import type { Condition, Difference } from '../schemas/deployment.ts';
import type { DeploymentRow, RevisionRow } from '../store/deployments.ts';
import { ownerOf } from './adopted-spec.ts';
import { containerGroupBody } from './container-group.ts';
import { differences } from './group-diff.ts';
import { masked, type Shape, shapeOfBody, shapeOfDocument } from './group-shape.ts';
import type { StoredPlan } from './stages/stage.ts';

type Drift = Omit<Condition, 'since'>;

const mostTold = 20;

/** What was changed in a group behind our back, against the revision that it was made of; none where nothing was. Pure. */
export function driftOf(
  row: Pick<DeploymentRow, 'id' | 'name' | 'team'>,
  live: RevisionRow,
  document: GroupDocument | null,
): Drift[] {
  if (!document) return [{ type: 'Drifted', message: `Container group '${row.name}' was deleted` }];
  if (ownerOf(document.tags) !== row.id)
    return [{ type: 'Drifted', message: `Container group '${row.name}' no longer carries our tag` }];
  const diff = differences(shapeOfDocument(document), wantedShape(row, live)).filter(isDrift);
  if (diff.length === 0) return [];
  const message = `Container group '${row.name}' was changed: ${diff.map(({ path }) => path).join(', ')}`;
  return [{ type: 'Drifted', message: message.slice(0, 500), diff: diff.slice(0, mostTold) }];
}

/** Tags that others add are theirs; what is not on record is not compared. */
const isDrift = ({ path, wanted }: Difference) =>
  wanted !== undefined || !/^\/(?:tags|imageRegistryCredentials\/[^/]+)\//.test(path);

function wantedShape({ id, team }: Pick<DeploymentRow, 'id' | 'team'>, live: RevisionRow): Shape {
  const { plan } = live.plan as StoredPlan;
  const { spec, images, credentials, number: revision } = live;
  const secrets = plan.workloadSecrets.map(({ pointer }) => [pointer, { reveal: () => masked }] as const);
  const pull = credentials.flatMap(({ identity }) => identity ?? []);
  const body = containerGroupBody({
    ...{ deployment: id, revision, team, spec, images, credentials: [] },
    plan: { ...plan, workloadIdentities: [...plan.workloadIdentities, ...pull] },
    workload: new Map(secrets),
  });
  const imageRegistryCredentials = credentials.map(({ server, username, identity }) => ({
    server,
    ...(username === undefined ? {} : { username }),
    ...(identity === undefined ? {} : { identity }),
  }));
  return shapeOfBody({ ...body, imageRegistryCredentials });
}
