import type { Selectable } from 'kysely';
import type {
  Deployment,
  Event,
  JobResult,
  Operation,
  OperationStatus,
  Status,
  TeamEvent,
} from '../schemas/deployment.ts';
import type { Failure } from '../schemas/failure.ts';
import type { Intent } from '../schemas/intent.ts';
import type { Revision } from '../schemas/revision.ts';
import { type Acceptance, type Accepted, accept } from './accepting.ts';
import { acceptChange, type ChangeAcceptance, type ChangeAccepted } from './changing.ts';
import type { Database } from './database.ts';
import {
  type EventPlace,
  lastPosition,
  lastPositions,
  listEvents,
  listTeamEvents,
  type NewEvent,
} from './events.ts';
import type { ListFilter } from './filters.ts';
import { type Replayable, type Replayed, replay } from './idempotency.ts';
import type { Claim, Jobs } from './jobs.ts';
import { findOperation } from './operations.ts';
import { type QuotaUse, usedQuota } from './quota.ts';
import { findDeployment, listDeployments, loadRow } from './reading.ts';
import { lastSucceeded, listRevisions, loadRevision, type RevisionRow } from './revisions.ts';
import { drop, settle } from './settling.ts';
import type { DeploymentsTable } from './tables.ts';
import { asReader, asTeams, asWorker, type ReadTeams } from './walls.ts';
import { startWatch, type Watch } from './watch.ts';

export type { Acceptance } from './accepting.ts';
export type { ChangeAcceptance, ChangeAccepted, OnBusy } from './changing.ts';
export type { NewEvent } from './events.ts';
export type { ListFilter } from './filters.ts';
export type { RevisionRow } from './revisions.ts';
export type { ReadTeams } from './walls.ts';
export type { Watch } from './watch.ts';

/** A deployment with all its columns, as the worker reads it. */
export type DeploymentRow = Selectable<DeploymentsTable> & {
  /** The trace in which its operation was asked for. */
  traceparent?: string | null;
};

/** What a stage made of a deployment: saved in one transaction. */
export interface Settlement {
  to: Status;
  now: Date;
  /** When the next job is due; absent where nothing is to be done. */
  againInMs?: number;
  /** It has a place in Azure's limits: then is when the next job is due, wherever it has been moved since. */
  place?: true;
  patch?: Partial<
    Pick<
      DeploymentRow,
      | 'images'
      | 'credentials'
      | 'workloadSecrets'
      | 'containerGroup'
      | 'waitingFor'
      | 'operationUrl'
      | 'health'
      | 'liveRevision'
      | 'holdsName'
      | 'retries'
      | 'seenEvents'
      | 'deadlineAt'
      | 'intent'
      | 'conditions'
    >
  > & { failure?: Failure | null; observedAt?: Date };
  events?: NewEvent[];
  /** Ends the operation, if it has not ended. */
  outcome?: Outcome;
  /** What the revision came to, where that is not the operation's outcome. */
  revisionOutcome?: Outcome;
  /** Why the operation failed, where the deployment is well. */
  operationFailure?: Failure;
  result?: JobResult;
  /** Ends another operation together with this one. */
  ends?: { operation: string; status: 'Failed' | 'Canceled'; failure: Failure };
  /** The operation that goes on in place of the one that ends. */
  resumes?: string;
  /** The operation goes on with a new revision of an earlier one's spec. */
  undo?: { to: number; intent: Intent };
  /** An operation that begins by itself. */
  begins?: { operation: string; kind: 'Delete' };
  /** What those end with that wait for their turn: it will not come. */
  waitingEnd?: Failure;
}

type Outcome = Extract<OperationStatus, 'Succeeded' | 'Failed' | 'Canceled'>;

/** Deployments, their operations and events. Whoever reads for a caller names the teams that he may see. */
export interface DeploymentStore {
  /** Writes deployment, revision, operation, first event, audit row, idempotency record, quota and job: all or nothing. */
  accept(acceptance: Acceptance): Promise<Accepted>;
  /** The same for a change of a deployment that is there. */
  acceptChange(change: ChangeAcceptance): Promise<ChangeAccepted>;
  /** What was accepted with a key before; null where nothing was. */
  replayed(asked: Replayable): Promise<Replayed | null>;
  find(teams: ReadTeams, ref: { id: string } | { target: string; name: string }): Promise<Deployment | null>;
  list(
    teams: ReadTeams,
    filter: ListFilter,
    page: { size: number; before?: string | undefined },
  ): Promise<{ value: Deployment[]; next?: string }>;
  findOperation(teams: ReadTeams, id: string): Promise<Operation | null>;
  events(teams: ReadTeams, id: string, page: EventPlace): Promise<{ value: Event[]; more: boolean }>;
  /** Of all deployments of a team, in one order. */
  teamEvents(
    teams: ReadTeams,
    team: string,
    page: EventPlace,
  ): Promise<{ value: TeamEvent[]; more: boolean }>;
  /** The place of the newest event of a team; 0 where there is none. */
  lastPosition(teams: ReadTeams, team: string): Promise<number>;
  /** Of each team that has events. */
  lastPositions(teams: ReadTeams): Promise<Map<string, number>>;
  /** What a team has now of what its quota counts. */
  used(team: string, now: Date): Promise<QuotaUse>;
  revisions(
    teams: ReadTeams,
    id: string,
    page: { before?: number | undefined; size: number },
  ): Promise<{ value: Revision[]; more: boolean }>;
  /** One revision with what was decided for it; null where there is none. */
  revision(teams: ReadTeams, id: string, number: number): Promise<RevisionRow | null>;
  /** The newest revision before this one that came to what was asked for. */
  lastSucceeded(teams: ReadTeams, id: string, before: number): Promise<number | null>;
  load(id: string): Promise<DeploymentRow | null>;
  /**
   * Saves a move, fenced by the claim: throws `ClaimLost`, and writes nothing, where another worker has it. Where a change
   * was accepted since the row was loaded, nothing is saved either, and the change's own stage runs at once.
   */
  settle(claim: Claim, row: DeploymentRow, settlement: Settlement): Promise<void>;
  /** Ends a job for which there is nothing to do, unless a change was accepted since the row was loaded. */
  drop(claim: Claim, row: DeploymentRow | null): Promise<void>;
  watch(): Promise<Watch>;
}

export function createDeploymentStore({ db }: Database, jobs: Jobs): DeploymentStore {
  const find: DeploymentStore['find'] = (teams, ref) =>
    asReader(db, teams, trx => findDeployment(trx, teams, ref));
  return {
    accept: acceptance => accept(db, jobs, acceptance),
    acceptChange: change => acceptChange(db, jobs, change),
    replayed: asked => asTeams(db, [asked.team], trx => replay(trx, asked)),
    find,
    list: (teams, filter, page) => asReader(db, teams, trx => listDeployments(trx, teams, filter, page)),
    findOperation: (teams, id) => asReader(db, teams, trx => findOperation(trx, teams, id)),
    events: (teams, id, page) => asReader(db, teams, trx => listEvents(trx, teams, id, page)),
    teamEvents: (teams, team, page) => asReader(db, teams, trx => listTeamEvents(trx, teams, team, page)),
    lastPosition: (teams, team) => asReader(db, teams, trx => lastPosition(trx, team)),
    lastPositions: teams => asReader(db, teams, trx => lastPositions(trx, teams)),
    used: (team, now) => asReader(db, [team], trx => usedQuota(trx, team, now)),
    revisions: (teams, id, page) => asReader(db, teams, trx => listRevisions(trx, teams, id, page)),
    revision: (teams, id, number) => asReader(db, teams, trx => loadRevision(trx, id, number)),
    lastSucceeded: (teams, id, before) => asReader(db, teams, trx => lastSucceeded(trx, id, before)),
    load: id => asWorker(db, trx => loadRow(trx, id)),
    settle: (claim, row, settlement) => settle(db, jobs, claim, row, settlement),
    drop: (claim, row) => drop(db, jobs, claim, row),
    watch: () => startWatch(jobs, (teams, id) => find(teams, { id })),
  };
}
