import { type Kysely, type Selectable, sql } from 'kysely';
import type { OperationStatus, Status } from '../schemas/deployment.ts';
import type { Failure } from '../schemas/failure.ts';
import type { Caller } from '../schemas/principal.ts';
import type { RotationItem } from '../schemas/rotation.ts';
import { auditChange, type Changer } from './audit.ts';
import type { Database } from './database.ts';
import type { Idempotency } from './idempotency.ts';
import type { Claim, Jobs } from './jobs.ts';
import { json, storable } from './json.ts';
import { insertOperation } from './operations.ts';
import { enter, leave } from './phases.ts';
import type { RotationsTable, Tables } from './tables.ts';
import { lockTeam } from './teams.ts';
import { asReader, asTeams, asWorker, ofTeams, type ReadTeams } from './walls.ts';
import { changed } from './watch.ts';

export type RotationRow = Selectable<RotationsTable>;

/** A rotation to be accepted: allowed before. */
export interface RotationAcceptance extends Changer {
  operation: string;
  vault: string;
  secretName: string;
  caller: Caller;
  deadlineAt: Date;
  idempotency?: Idempotency;
}

/** What the worker made of it. */
export interface RotationMove {
  now: Date;
  againInMs?: number;
  phase?: Status;
  version?: string;
  items?: RotationItem[];
  retries?: number;
  outcome?: Extract<OperationStatus, 'Succeeded' | 'Failed'>;
  failure?: Failure;
}

/** A live deployment that uses a version of a secret: to pull from `server`, or where its spec names it for the workload. */
export interface SecretUse {
  deployment: string;
  name: string;
  target: string;
  team: string;
  revision: number;
  server: string | null;
  pointers: string[] | null;
  version: string;
}

export interface RotationStore {
  /** The operation: a new one, or the one that was accepted with the same key; null where the key had another request. */
  accept(rotation: RotationAcceptance): Promise<{ operation: string; replayed: boolean } | null>;
  load(id: string): Promise<RotationRow | null>;
  settle(claim: Claim, row: RotationRow, move: RotationMove): Promise<void>;
  /** The live uses of a secret in these teams. */
  uses(teams: ReadTeams, secret: { vault: string; secretName: string }): Promise<SecretUse[]>;
  /** Every version that something live or under way uses, in whatever team. */
  versionsInUse(secret: { vault: string; secretName: string }): Promise<string[]>;
}

export function createRotationStore({ db }: Pick<Database, 'db'>, jobs: Jobs): RotationStore {
  return {
    accept: rotation => accept(db, jobs, rotation),
    load: async id =>
      (await asWorker(db, trx =>
        trx.selectFrom('rotations').selectAll().where('id', '=', id).executeTakeFirst(),
      )) ?? null,
    settle: (claim, row, move) => settle(db, jobs, claim, row, move),
    uses: (teams, secret) => asReader(db, teams, trx => uses(trx, teams, secret)),
    versionsInUse: secret => asWorker(db, trx => versionsInUse(trx, secret)),
  };
}

async function accept(db: Kysely<Tables>, jobs: Jobs, rotation: RotationAcceptance) {
  const { operation, team, vault, secretName, caller, deadlineAt, policyDigest, now, idempotency } = rotation;
  return asTeams(db, [team], async trx => {
    await lockTeam(trx, rotation);
    if (idempotency) {
      const known = await trx
        .selectFrom('idempotency')
        .select(['requestHash', 'operationId'])
        .where('keyHash', '=', idempotency.keyHash)
        .where('expiresAt', '>', now)
        .executeTakeFirst();
      if (known)
        return known.requestHash === idempotency.requestHash
          ? { operation: known.operationId, replayed: true }
          : null;
    }
    const kind = 'Rotate' as const;
    await insertOperation(trx, {
      ...{
        id: operation,
        deploymentId: null,
        team,
        kind,
        revision: 0,
        phase: 'Accepted',
        intent: { kind },
        now,
      },
    });
    await trx
      .insertInto('rotations')
      .values({
        ...{ id: operation, team, vault, secretName, policyDigest, deadlineAt, retries: 0 },
        caller: json(caller),
        version: null,
        items: null,
      })
      .execute();
    await auditChange(trx, 'rotate', secretName, rotation);
    if (idempotency)
      await trx
        .insertInto('idempotency')
        .values({ ...idempotency, team, deploymentId: null, operationId: operation })
        .onConflict(conflict =>
          conflict
            .column('keyHash')
            .doUpdateSet({ ...idempotency, deploymentId: null, operationId: operation }),
        )
        .execute();
    await jobs.enqueue(trx, { deployment: operation, team });
    return { operation, replayed: false };
  });
}

/** One transaction, fenced by the claim. */
async function settle(
  db: Kysely<Tables>,
  jobs: Jobs,
  claim: Claim,
  row: RotationRow,
  { now, againInMs, phase, version, items, retries, outcome, failure }: RotationMove,
): Promise<void> {
  await asWorker(db, async trx => {
    await claim.complete(trx);
    await trx
      .updateTable('rotations')
      .set({
        retries: retries ?? 0,
        ...(version === undefined ? {} : { version }),
        ...(items === undefined ? {} : { items: json(items) }),
      })
      .where('id', '=', row.id)
      .execute();
    const { steps } = await trx
      .selectFrom('operations')
      .select('steps')
      .where('id', '=', row.id)
      .executeTakeFirstOrThrow();
    const entered = phase && phase !== steps.at(-1)?.phase ? enter(leave(steps, now), phase, now) : steps;
    await trx
      .updateTable('operations')
      .set({
        status: outcome ?? 'Running',
        steps: json(outcome ? leave(entered, now) : entered),
        ...(outcome ? { endedAt: now } : {}),
        ...(failure ? { failure: json(storable(failure)) } : {}),
      })
      .where('id', '=', row.id)
      .where('endedAt', 'is', null)
      .execute();
    await changed(trx, row.id);
    if (againInMs !== undefined && !outcome)
      await jobs.enqueue(trx, { deployment: row.id, team: row.team, afterMs: againInMs });
  });
}

const names = (vault: string, secretName: string) =>
  sql<boolean>`used ->> 'vault' = ${vault} and lower(used ->> 'secretName') = lower(${secretName})`;

/** To pull, and of the workload. */
const secretsOfRevision = sql`jsonb_array_elements(r.credentials || r.workload_secrets) used`;

async function uses(
  db: Kysely<Tables>,
  teams: ReadTeams,
  { vault, secretName }: { vault: string; secretName: string },
): Promise<SecretUse[]> {
  if (teams.length === 0) return [];
  const { rows } =
    await sql<SecretUse>`select d.id as deployment, d.name, d.target, d.team, r.number as revision,
      used ->> 'server' as server, used -> 'pointers' as pointers, used ->> 'secretVersion' as version
    from (select * from deployments where ${ofTeams(teams)} and holds_name) d
    join revisions r on r.deployment_id = d.id and r.number = d.live_revision
    cross join ${secretsOfRevision}
    where ${names(vault, secretName)} and used ->> 'secretVersion' is not null order by d.id`.execute(db);
  return rows;
}

async function versionsInUse(
  db: Kysely<Tables>,
  { vault, secretName }: { vault: string; secretName: string },
): Promise<string[]> {
  const { rows } = await sql<{ version: string }>`select distinct used ->> 'secretVersion' as version
    from deployments d
    join revisions r on r.deployment_id = d.id and (r.number = d.live_revision or r.outcome is null)
    cross join ${secretsOfRevision}
    where d.holds_name and ${names(vault, secretName)} and used ->> 'secretVersion' is not null`.execute(db);
  return rows.map(({ version }) => version);
}
