import { type Kysely, type Selectable, sql, type Transaction } from 'kysely';
import type { OperationKind } from '../schemas/deployment.ts';
import type { Principal } from '../schemas/principal.ts';
import type { DeploymentRequest } from '../schemas/request.ts';
import type { Revision } from '../schemas/revision.ts';
import { json } from './json.ts';
import type { RevisionsTable, Tables } from './tables.ts';
import { ofTeams, type ReadTeams } from './walls.ts';

const revising: readonly OperationKind[] = ['Create', 'Adopt', 'Update', 'Redeploy', 'Rollback'];

/** Whether a change of this kind makes a revision. */
export const isRevising = (kind: OperationKind) => revising.includes(kind);

/** One spec of a deployment, judged and allowed. */
export interface NewRevision {
  spec: DeploymentRequest;
  plan: object;
  size: { cpu: number; memoryInGB: number };
  /** Of one that goes on with what is live: what that was made of. */
  madeOf?: Pick<RevisionRow, 'images' | 'credentials' | 'workloadSecrets'>;
}

interface Made {
  deploymentId: string;
  team: string;
  kind: OperationKind;
  operationId: string;
  policyDigest: string;
  createdBy: Principal;
  onBehalfOf: string | null;
  now: Date;
}

/** Returns its number, the next one. The deployment's row is locked, or not there yet. */
export async function insertRevision(
  trx: Transaction<Tables>,
  { spec, plan, size, madeOf }: NewRevision,
  { now, createdBy, ...made }: Made,
): Promise<number> {
  const { number } = await trx
    .insertInto('revisions')
    .values({
      ...made,
      number: sql<number>`(select coalesce(max(number), 0) + 1 from revisions where deployment_id = ${made.deploymentId})`,
      spec: json(spec),
      plan: json(plan),
      cpu: size.cpu,
      memoryInGb: size.memoryInGB,
      images: json(madeOf?.images ?? []),
      credentials: json(madeOf?.credentials ?? []),
      workloadSecrets: json(madeOf?.workloadSecrets ?? []),
      outcome: null,
      createdAt: now,
      createdBy: json(createdBy),
    })
    .returning('number')
    .executeTakeFirstOrThrow();
  return number;
}

export type RevisionRow = Selectable<RevisionsTable>;

/** Also what callers do not see of it. */
export async function loadRevision(
  db: Kysely<Tables>,
  id: string,
  number: number,
): Promise<RevisionRow | null> {
  const row = await db
    .selectFrom('revisions')
    .selectAll()
    .where('deploymentId', '=', id)
    .where('number', '=', number)
    .executeTakeFirst();
  return row ?? null;
}

/** The newest revision before this one that came to what was asked for; null where there is none. */
export async function lastSucceeded(db: Kysely<Tables>, id: string, before: number): Promise<number | null> {
  const row = await db
    .selectFrom('revisions')
    .select('number')
    .where('deploymentId', '=', id)
    .where('number', '<', before)
    .where('outcome', '=', 'Succeeded')
    .orderBy('number', 'desc')
    .limit(1)
    .executeTakeFirst();
  return row?.number ?? null;
}

/** Newest first. */
export async function listRevisions(
  db: Kysely<Tables>,
  teams: ReadTeams,
  id: string,
  { before, size }: { before?: number | undefined; size: number },
): Promise<{ value: Revision[]; more: boolean }> {
  if (teams.length === 0) return { value: [], more: false };
  let query = db.selectFrom('revisions').selectAll().where('deploymentId', '=', id).where(ofTeams(teams));
  if (before !== undefined) query = query.where('number', '<', before);
  const rows = await query
    .orderBy('number', 'desc')
    .limit(size + 1)
    .execute();
  return { value: rows.slice(0, size).map(revisionOf), more: rows.length > size };
}

export function revisionOf(row: RevisionRow): Revision {
  return {
    number: row.number,
    kind: row.kind,
    operation: row.operationId,
    createdAt: row.createdAt.toISOString(),
    createdBy: row.createdBy,
    onBehalfOf: row.onBehalfOf ?? null,
    outcome: row.outcome,
    spec: row.spec,
    images: row.images,
    credentials: row.credentials,
    workloadSecrets: row.workloadSecrets,
  };
}
