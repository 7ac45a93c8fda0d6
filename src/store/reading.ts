import type { Kysely, Selectable } from 'kysely';
import type { Deployment, Wait, WaitingFor } from '../schemas/deployment.ts';
import { jsonConditions, type ListFilter } from './filters.ts';
import type { DeploymentsTable, Tables } from './tables.ts';
import { ofTeams, type ReadTeams } from './walls.ts';

type Row = Selectable<DeploymentsTable>;

/** What callers see is made of these. The others are not read for them: the plan alone is as long as all of these. */
const shown = [
  'id',
  'team',
  'name',
  'target',
  'status',
  'settled',
  'revision',
  'liveRevision',
  'operation',
  'health',
  'observedAt',
  'waitingFor',
  'createdAt',
  'updatedAt',
  'createdBy',
  'onBehalfOf',
  'spec',
  'images',
  'credentials',
  'workloadSecrets',
  'containerGroup',
  'failure',
  'conditions',
  'timeline',
] as const satisfies readonly (keyof Row)[];
type Shown = Pick<Row, (typeof shown)[number]>;

/** With the trace in which its operation was asked for. */
export async function loadRow(
  db: Kysely<Tables>,
  id: string,
): Promise<(Row & { traceparent: string | null }) | null> {
  const row = await db
    .selectFrom('deployments')
    .selectAll()
    .select(({ selectFrom }) =>
      selectFrom('operations')
        .select('traceparent')
        .whereRef('operations.id', '=', 'deployments.operation')
        .as('traceparent'),
    )
    .where('id', '=', id)
    .executeTakeFirst();
  return row ?? null;
}

/** A deployment that is known to be there. */
export async function readDeployment(db: Kysely<Tables>, id: string): Promise<Deployment> {
  const row = await loadRow(db, id);
  if (!row) throw new Error(`deployment ${id} is on record and is not there`);
  return deploymentOf(row);
}

export async function findDeployment(
  db: Kysely<Tables>,
  teams: ReadTeams,
  ref: { id: string } | { target: string; name: string },
): Promise<Deployment | null> {
  if (teams.length === 0) return null;
  const visible = db.selectFrom('deployments').select(shown).where(ofTeams(teams));
  // Of those that had the name, the one that holds it, else the newest.
  const found =
    'id' in ref
      ? visible.where('id', '=', ref.id)
      : visible
          .where('target', '=', ref.target)
          .where('name', '=', ref.name)
          .orderBy('holdsName', 'desc')
          .orderBy('id', 'desc')
          .limit(1);
  const row = await found.executeTakeFirst();
  return row ? deploymentOf(row) : null;
}

/** A page by key, newest first: its cost does not grow with what lies before it. */
export async function listDeployments(
  db: Kysely<Tables>,
  teams: ReadTeams,
  filter: ListFilter,
  { size, before }: { size: number; before?: string | undefined },
): Promise<{ value: Deployment[]; next?: string }> {
  if (teams.length === 0) return { value: [] };
  let query = db.selectFrom('deployments').select(shown).where(ofTeams(teams));
  for (const column of ['team', 'name', 'target', 'status', 'onBehalfOf'] as const) {
    const value = filter[column];
    if (value !== undefined) query = query.where(column, '=', value);
  }
  for (const condition of jsonConditions(filter)) query = query.where(condition);
  if (before !== undefined) query = query.where('id', '<', before);
  const rows = await query
    .orderBy('id', 'desc')
    .limit(size + 1)
    .execute();
  const value = rows.slice(0, size).map(deploymentOf);
  const last = value.at(-1);
  return rows.length > size && last ? { value, next: last.id } : { value };
}

/** The record as callers see it: no plan, no claim, no column that is only ours. */
export function deploymentOf(row: Shown): Deployment {
  return {
    id: row.id,
    team: row.team,
    name: row.name,
    target: row.target,
    status: row.status,
    settled: row.settled,
    revision: row.revision,
    liveRevision: row.liveRevision,
    operation: row.operation,
    health: row.health,
    observedAt: row.observedAt?.toISOString() ?? null,
    waitingFor: row.waitingFor && waitingForOf(row.waitingFor),
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
    createdBy: row.createdBy,
    onBehalfOf: row.onBehalfOf,
    spec: row.spec,
    images: row.images,
    credentials: row.credentials,
    workloadSecrets: row.workloadSecrets,
    containerGroup: row.containerGroup,
    // What is tried again shows what it met last.
    failure: row.failure ?? row.waitingFor?.failure ?? null,
    conditions: row.conditions,
    timeline: row.timeline,
  };
}

export const waitingForOf = ({ failure: _, ...told }: Wait): WaitingFor => told;
