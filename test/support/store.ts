import { randomUUIDv7 } from 'node:crypto';
import type { Failure } from '../../src/schemas/failure.ts';
import { type Database, type DatabaseOptions, openDatabase } from '../../src/store/database.ts';
import {
  type Acceptance,
  type ChangeAcceptance,
  createDeploymentStore,
  type DeploymentRow,
  type DeploymentStore,
} from '../../src/store/deployments.ts';
import { type Claim, type Jobs, startJobs } from '../../src/store/jobs.ts';

type Teardown = { teardown(done: () => unknown): unknown };

/** A store with its queue, open until the test ends. */
export interface TestStore {
  database: Database;
  jobs: Jobs;
  store: DeploymentStore;
  /** Called in turn for each claim of a deployment; a claim that nobody expects is dropped. */
  handlers: Map<string, (claim: Claim) => Promise<void>>;
  /** Resolves with the next claim, held until `release` is called. */
  nextClaim(deployment: string): Promise<HeldClaim>;
}

export interface HeldClaim extends Claim {
  release(): void;
}

export async function openTestStore(t: Teardown, options: DatabaseOptions): Promise<TestStore> {
  const database = await openDatabase(options);
  const jobs = await startJobs(database, options);
  t.teardown(async () => {
    await jobs.stop();
    await database.close();
  });
  const store = createDeploymentStore(database, jobs);
  const handlers = new Map<string, (claim: Claim) => Promise<void>>();
  const nextClaim = (deployment: string) =>
    new Promise<HeldClaim>(claimed => {
      handlers.set(deployment, async claim => {
        handlers.delete(deployment);
        const held = Promise.withResolvers<void>();
        claimed(Object.assign(claim, { release: held.resolve }));
        await held.promise;
      });
    });
  return { database, jobs, store, handlers, nextClaim };
}

/** Works with 4 at once on whatever a test expects. */
export async function work({ jobs, store, handlers }: TestStore): Promise<void> {
  await jobs.work(
    async claim => {
      const handler = handlers.get(claim.deployment);
      if (handler) await handler(claim);
      else await store.drop(claim, await store.load(claim.deployment));
    },
    { concurrency: 4 },
  );
}

let count = 0;

/** Something acceptable; another name each time. */
export function acceptance(more: Partial<Acceptance> = {}): Acceptance {
  count += 1;
  const now = more.now ?? new Date();
  const name = more.name ?? `web-${count}`;
  return {
    id: randomUUIDv7(),
    operation: randomUUIDv7(),
    team: 'demo',
    name,
    target: 'demo',
    subscription: '00000000-0000-0000-0000-00000000BBBB',
    resourceGroup: 'My-Group',
    location: 'eastus',
    spec: { name, containers: [{ image: 'myregistry.azurecr.io/web:1' }] },
    plan: { decided: 'so' },
    policyDigest: 'sha256:0',
    createdBy: { issuer: 'embedded', subject: 'ann' },
    onBehalfOf: null,
    size: { cpu: 1, memoryInGB: 1.5 },
    quota: {},
    deadlineAt: new Date(now.getTime() + 1_800_000),
    now,
    requestId: 'request-1',
    ...more,
  };
}

/** A deletion of it; another change where one is named. */
export function change(id: string, more: Partial<ChangeAcceptance> = {}): ChangeAcceptance {
  const { operation, team, createdBy, onBehalfOf, policyDigest, now, requestId } = acceptance();
  const base = { operation, team, createdBy, onBehalfOf, policyDigest, now, requestId };
  return { ...base, id, intent: { kind: 'Delete' }, superseded: supersededFailure, ...more };
}

export const supersededFailure: Failure = {
  code: 'Superseded',
  title: 'superseded',
  detail: 'A later change took its place.',
  owner: 'caller',
  retryable: false,
  confidence: 'high',
  evidence: [],
  fixes: [],
};

export const later = (date: Date, ms: number) => new Date(date.getTime() + ms);

export async function loaded({ store }: Pick<TestStore, 'store'>, id: string): Promise<DeploymentRow> {
  const row = await store.load(id);
  if (!row) throw new Error(`there is no deployment ${id}`);
  return row;
}
