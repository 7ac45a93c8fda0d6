import type { AddressInfo } from 'node:net';
import { hostname } from 'node:os';
import { createBlobReader } from './azure/blob.ts';
import type { Config } from './config.ts';
import { createAdoption } from './deployments/adopt.ts';
import { createAdvance } from './deployments/advance.ts';
import { createCredentialList } from './deployments/credential-list.ts';
import { createCredentialTest } from './deployments/credential-test.ts';
import { createDeployments } from './deployments/deployments.ts';
import { createEvents } from './deployments/events.ts';
import { createHealth, keepLooking } from './deployments/health.ts';
import { createLogs } from './deployments/logs.ts';
import { createLooks, keepLookingAround } from './deployments/looks.ts';
import { createOptions } from './deployments/options.ts';
import { createPacing } from './deployments/pacing.ts';
import { createPlanning } from './deployments/plan.ts';
import { createRestartGuard } from './deployments/restart-guard.ts';
import { createRevising } from './deployments/revising.ts';
import { createRotations } from './deployments/rotation.ts';
import { createVerbs } from './deployments/verbs.ts';
import { createApp } from './http/app.ts';
import { type Authenticator, createAuthenticator } from './http/auth.ts';
import { createLine, type Line } from './http/overload.ts';
import { createRateLimits } from './http/rate-limit.ts';
import { createRefusals } from './http/refusals.ts';
import { findInterlockFault } from './policy/interlock.ts';
import { type LivePolicy, startLivePolicy } from './policy/live.ts';
import { createRemoteSource, openFileSource, type PolicySource } from './policy/source.ts';
import {
  type Azure,
  type Ground,
  type Late,
  layGround,
  type Overrides,
  openAzure,
} from './service/outside.ts';
import { createAuditStore } from './store/audit.ts';
import { startSealing } from './store/audit-sealing.ts';
import { openDatabase } from './store/database.ts';
import { createDeploymentStore, type DeploymentStore } from './store/deployments.ts';
import { createFollowingStore } from './store/following.ts';
import { createHealthStore } from './store/health.ts';
import { startJobs } from './store/jobs.ts';
import { createPacingStore } from './store/pacing.ts';
import { createPolicyLedger } from './store/policies.ts';
import { startRetention } from './store/retention.ts';
import { createRotationStore } from './store/rotations.ts';
import { createSavedLogs } from './store/saved-logs.ts';
import { createSpentTokens } from './store/spent-tokens.ts';
import { readVitals } from './store/vitals.ts';
import type { Watch } from './store/watch.ts';

export interface Service {
  /** Where it listens: `http://HOST:PORT`; null for a worker without API. */
  url: string | null;
  /** Where its metrics are; null where no port is set for them. */
  metricsUrl: string | null;
  /** Reads the policy again, and makes it active for all replicas. */
  reload(): Promise<void>;
  close(): Promise<void>;
}

// Of every Azure Database for PostgreSQL (documented).
const databaseScope = 'https://ossrdbms-aad.database.windows.net/.default';

// Each claim is a stage of seconds, most of it waiting for Azure.
const workerConcurrency = 8;

/** Builds the parts top to bottom and disposes them bottom to top, also where one of them does not start. */
export async function startService(config: Config, overrides: Overrides = {}): Promise<Service> {
  await using parts = new AsyncDisposableStack();
  const ground = layGround(config, overrides, parts);
  const late: Late = { live: null, pacing: null };
  const azure = openAzure(config, ground, late, parts);
  // A policy that is not there is said before anything is made.
  const source = openSource(config, azure);
  const kept = await openStore(config, ground, azure, parts);
  late.pacing = kept.pacing;
  const live = await followPolicy(config, ground, source, kept, parts);
  late.live = live;
  const watch = await kept.store.watch();
  parts.defer(() => watch.close());

  const built: Built = { config, ...ground, azure, ...kept, live, policy: live.current, watch };
  if (config.role !== 'api') await startWorker(built, parts);
  const api = config.role === 'worker' ? null : await startApi(built, parts);
  const metricsUrl = await startMetrics(built, api?.keyAges ?? (() => []), parts);

  const running = parts.move();
  return { url: api?.url ?? null, metricsUrl, reload: live.reload, close: () => running.disposeAsync() };
}

type Kept = Awaited<ReturnType<typeof openStore>>;

/** What stands before the worker and the API. */
interface Built extends Ground, Kept {
  config: Config;
  azure: Azure;
  live: LivePolicy;
  policy: LivePolicy['current'];
  watch: Watch;
}

function openSource({ policy }: Config, { credential, transport }: Azure): PolicySource {
  return policy.startsWith('https:')
    ? createRemoteSource(policy, createBlobReader({ credential, transport }))
    : openFileSource(policy);
}

async function openStore(
  config: Config,
  { log, clock }: Ground,
  { credential }: Azure,
  parts: AsyncDisposableStack,
) {
  const database = await openDatabase({
    ...(config.databaseUrl ? { url: config.databaseUrl } : { directory: config.data }),
    ...(config.databaseSignIn === 'entra'
      ? { signIn: async () => (await credential.getToken(databaseScope)).token }
      : {}),
    log,
  });
  parts.defer(() => database.close());
  const jobs = await startJobs(database, { log });
  parts.defer(() => jobs.stop());
  const pacingStore = await createPacingStore(database, jobs);
  parts.defer(() => pacingStore.close());
  const line = createLine(clock);
  return {
    database,
    jobs,
    pacing: createPacing({ store: pacingStore, clock }),
    line,
    store: inLine(createDeploymentStore(database, jobs), line),
    rotations: createRotationStore(database, jobs),
    savedLogs: createSavedLogs(database),
  };
}

async function followPolicy(
  config: Config,
  { clock, log }: Ground,
  source: PolicySource,
  { database, jobs }: Kept,
  parts: AsyncDisposableStack,
): Promise<LivePolicy> {
  const live = await startLivePolicy({
    source,
    ledger: createPolicyLedger(database, jobs),
    clock,
    log,
    by: `${hostname()}:${process.pid}`,
    refusal: policy => findInterlockFault(policy, config.hosts),
  });
  parts.defer(() => live.close());
  return live;
}

async function startWorker(built: Built, parts: AsyncDisposableStack): Promise<void> {
  const { config, log, clock, azure, database, jobs, store } = built;
  parts.defer(startSealing(database, { log, clock }));
  parts.defer(startRetention(database, { days: config.retention, log, clock }));
  const stopping = new AbortController();
  const look = createHealth({ ...azure, health: createHealthStore(database), clock, log });
  const looks = createLooks({ ...built, ...azure, following: createFollowingStore(database, jobs) });
  const looking = [
    keepLooking(look, { clock, log }, stopping.signal),
    keepLookingAround(looks, { clock, log }, stopping.signal),
  ];
  parts.defer(async () => {
    stopping.abort();
    await Promise.all(looking);
  });
  const advance = createAdvance({
    ...built,
    ...azure,
    looks,
    tendEveryMs: config.compareEveryMs,
    revision: (row, number) => store.revision('all', row.id, number),
    tenantId: config.azure.tenantId ?? '',
  });
  await jobs.work(advance, { concurrency: workerConcurrency });
}

async function startApi(
  built: Built,
  parts: AsyncDisposableStack,
): Promise<{ url: string; keyAges: Authenticator['keyAges'] }> {
  const { config, log, clock, telemetry, tracer, metrics, dispatcher, database, policy, watch } = built;
  const authenticator = createAuthenticator({
    policy,
    dispatcher: telemetry.watch(dispatcher, () => 'issuer'),
    spentTokens: createSpentTokens(database),
    log,
    clock,
    onLookup: hit => metrics.lookedUp('callerTokens', hit),
  });
  parts.defer(() => authenticator.close());
  const audit = createAuditStore(database);
  const refusals = createRefusals({ audit, clock, log });
  parts.defer(() => refusals.close());
  const app = await createApp({
    ...heartOf(built),
    log,
    authenticator,
    rateLimits: createRateLimits({ rateOf: team => policy().policy.teams[team]?.rate, clock }),
    audit,
    refusals,
    readiness: {
      checks: async () => ({
        store: await database.ready(),
        policy: true,
        signingKeys: await authenticator.ready(),
      }),
      policy: built.live.state,
    },
    policyDigest: () => policy().digest,
    publicUrl: config.publicUrl,
    line: built.line,
    tracer,
    metrics,
  });
  // Whoever waits for a change is answered as it is: he would hold the stop up.
  parts.defer(async () => {
    const closing = app.close();
    await watch.close();
    await closing;
  });
  await app.listen({ host: config.host, port: config.port });
  const { port } = app.server.address() as AddressInfo;
  const host = config.host.includes(':') ? `[${config.host}]` : config.host;
  return { url: `http://${host}:${port}`, keyAges: authenticator.keyAges };
}

/** All that HTTP may ask of deployments. */
function heartOf({ config, azure, store, rotations, savedLogs, watch, policy, clock }: Built) {
  const { directVault, documents, vault } = azure;
  const direct = { ...azure, vault: directVault, policy, clock, tenantId: config.azure.tenantId ?? '' };
  const revising = createRevising({ store, policy, clock });
  const guardRestart = createRestartGuard({ vault: directVault, store, policy });
  return {
    adoption: createAdoption({ documents, policy, store }),
    events: createEvents({ store, watch }),
    logs: createLogs({ ...azure, store, savedLogs, clock }),
    deployments: createDeployments({ store, watch, policy, clock, revising }),
    revising,
    rotations: createRotations({ rotations, vault: directVault, policy, clock }),
    plan: createPlanning({ ...direct, store }),
    verbs: createVerbs({ store, policy, clock, guardRestart }),
    optionsOf: createOptions({ used: store.used, policy, clock }),
    listCredentials: createCredentialList({ vault, policy, clock }),
    testCredential: createCredentialTest(direct),
  };
}

async function startMetrics(
  { config, telemetry, clock, database, live, azure, circuits }: Built,
  signingKeys: Authenticator['keyAges'],
  parts: AsyncDisposableStack,
): Promise<string | null> {
  if (config.metricsPort === null) return null;
  const sources = {
    now: clock.now,
    store: () => readVitals(database),
    policy: live.state,
    azureTokens: () => azure.credential.tokens(),
    signingKeys,
    openCircuits: circuits.open,
  };
  const listener = await telemetry.listen({ host: config.host, port: config.metricsPort }, sources);
  parts.defer(() => listener.close());
  return listener.url;
}

/** Changes are recorded in their turn. */
function inLine(store: DeploymentStore, line: Line): DeploymentStore {
  return {
    ...store,
    accept: acceptance => line.run(acceptance.team, () => store.accept(acceptance)),
    acceptChange: change => line.run(change.team, () => store.acceptChange(change)),
  };
}
