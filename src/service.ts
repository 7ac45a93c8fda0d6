import type { AddressInfo } from 'node:net';
import { hostname } from 'node:os';
import { createBlobReader } from './azure/blob.ts';
import { cacheVault } from './azure/cached-vault.ts';
import { createContainerGroups } from './azure/container-groups.ts';
import { createAzureCredential } from './azure/credential.ts';
import { createGroupDocuments } from './azure/group-documents.ts';
import { createGroupLists } from './azure/group-lists.ts';
import { createRegistryToken } from './azure/registry-token.ts';
import { createRoles } from './azure/roles.ts';
import { createTransport } from './azure/transport.ts';
import { createVault } from './azure/vault.ts';
import { createCircuits, dependencyOf } from './circuits.ts';
import { type Clock, systemClock } from './clock.ts';
import type { Config } from './config.ts';
import { createAdoption } from './deployments/adopt.ts';
import { createAdvance } from './deployments/advance.ts';
import { createCredentialList } from './deployments/credential-list.ts';
import { createCredentialTest } from './deployments/credential-test.ts';
import { createDeployments } from './deployments/deployments.ts';
import { createEvents } from './deployments/events.ts';
import { createHealth, keepLooking } from './deployments/health.ts';
import { createLogs } from './deployments/logs.ts';
import { createOptions } from './deployments/options.ts';
import { createPacing, type Pacing } from './deployments/pacing.ts';
import { createPlanning } from './deployments/plan.ts';
import { createRestartGuard } from './deployments/restart-guard.ts';
import { createRevising } from './deployments/revising.ts';
import { createRotations } from './deployments/rotation.ts';
import { createVerbs } from './deployments/verbs.ts';
import { createDispatcher } from './hosts.ts';
import { createApp } from './http/app.ts';
import { type Authenticator, createAuthenticator } from './http/auth.ts';
import { createLine, type Line } from './http/overload.ts';
import { createRateLimits } from './http/rate-limit.ts';
import { createRefusals } from './http/refusals.ts';
import { createLog, type Log } from './log.ts';
import { findInterlockFault } from './policy/interlock.ts';
import { type LivePolicy, startLivePolicy } from './policy/live.ts';
import { directoryOf, gateFor, tokenHostFor } from './policy/registry-gates.ts';
import { createRemoteSource, openFileSource } from './policy/source.ts';
import { createRegistryClient } from './registry/client.ts';
import { createRegistryMemory } from './registry/memory.ts';
import { createAuditStore } from './store/audit.ts';
import { startSealing } from './store/audit-sealing.ts';
import { openDatabase } from './store/database.ts';
import { createDeploymentStore, type DeploymentStore } from './store/deployments.ts';
import { createHealthStore } from './store/health.ts';
import { startJobs } from './store/jobs.ts';
import { createPacingStore } from './store/pacing.ts';
import { createPolicyLedger } from './store/policies.ts';
import { startRetention } from './store/retention.ts';
import { createRotationStore } from './store/rotations.ts';
import { createSavedLogs } from './store/saved-logs.ts';
import { createSpentTokens } from './store/spent-tokens.ts';
import { readVitals } from './store/vitals.ts';
import { azureServiceOf } from './telemetry/calls.ts';
import { startTelemetry } from './telemetry/telemetry.ts';

export interface Service {
  /** Where it listens: `http://HOST:PORT`; null for a worker without API. */
  url: string | null;
  /** Where its metrics are; null where no port is set for them. */
  metricsUrl: string | null;
  /** Reads the policy again, and makes it active for all replicas. */
  reload(): Promise<void>;
  close(): Promise<void>;
}

interface Overrides {
  log?: Log;
  clock?: Clock;
}

// Of every Azure Database for PostgreSQL (documented).
const databaseScope = 'https://ossrdbms-aad.database.windows.net/.default';

// Each claim is a stage of seconds, most of it waiting for Azure.
const workerConcurrency = 8;

/** Builds the parts top to bottom and disposes them bottom to top, also where one of them does not start. */
export async function startService(config: Config, overrides: Overrides = {}): Promise<Service> {
  await using parts = new AsyncDisposableStack();
  const log = overrides.log ?? createLog({ level: config.logLevel });
  const clock = overrides.clock ?? systemClock;
  const telemetry = startTelemetry({ tracing: config.tracing, log });
  parts.defer(() => telemetry.close());
  const { tracer, metrics } = telemetry;

  const dispatcher = createDispatcher({ table: config.hosts, ...(config.ca ? { ca: config.ca } : {}) });
  parts.defer(() => dispatcher.destroy());

  const circuits = createCircuits(clock);
  let live: LivePolicy | null = null;
  let pacing: Pacing | null = null;
  const transport = createTransport({
    dispatcher: circuits.guard(telemetry.watch(dispatcher, azureServiceOf), dependencyOf),
    vaults: () => Object.values(live?.current().policy.vaults ?? {}).map(({ url }) => url),
    blob: config.policy.startsWith('https:') ? config.policy : null,
    onArmAnswer: answer => pacing?.observe(answer),
  });
  const credential = createAzureCredential(config.azure, transport, hit =>
    metrics.lookedUp('azureTokens', hit),
  );
  // What callers name is reached through a door of its own: no private address but by policy.
  const directory = directoryOf(config.policy);
  const outside = createDispatcher({
    table: config.hosts,
    ...(config.ca ? { ca: config.ca } : {}),
    gateOf: host => (live ? gateFor(live.current().policy, host, directory) : {}),
  });
  parts.defer(() => outside.destroy());
  const memory = createRegistryMemory(clock);
  parts.defer(() => memory.close());
  // For who must know how it is now: nothing is answered from memory.
  const directVault = createVault({ credential, transport });
  const vault = cacheVault(directVault, {
    clock,
    onLookup: hit => metrics.lookedUp('secrets', hit),
  });
  parts.defer(() => vault.close());
  const azure = {
    vault,
    containerGroups: createContainerGroups({ credential, transport }),
    groupLists: createGroupLists({ credential, transport }),
    documents: createGroupDocuments({ credential, transport }),
    roles: createRoles({ credential, transport }),
    acrToken: createRegistryToken(credential),
    registry: createRegistryClient({
      dispatcher: circuits.guard(
        telemetry.watch(outside, () => 'registry'),
        dependencyOf,
      ),
      memory,
      tokenHostOf: host => (live ? tokenHostFor(live.current().policy, host) : undefined),
    }),
  };
  const source = config.policy.startsWith('https:')
    ? createRemoteSource(config.policy, createBlobReader({ credential, transport }))
    : openFileSource(config.policy);

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
  const paces = createPacing({ store: pacingStore, clock });
  pacing = paces;
  const ledger = createPolicyLedger(database, jobs);
  const following = await startLivePolicy({
    source,
    ledger,
    clock,
    log,
    by: `${hostname()}:${process.pid}`,
    refusal: policy => findInterlockFault(policy, config.hosts),
  });
  live = following;
  parts.defer(() => following.close());
  const policy = following.current;
  const tenantId = config.azure.tenantId ?? '';
  const line = createLine(clock);
  const store = inLine(createDeploymentStore(database, jobs), line);
  const rotations = createRotationStore(database, jobs);
  const savedLogs = createSavedLogs(database);
  const watch = await store.watch();
  parts.defer(() => watch.close());

  if (config.role !== 'api') {
    parts.defer(startSealing(database, { log, clock }));
    parts.defer(startRetention(database, { days: config.retentionDays, log, clock }));
    const stopping = new AbortController();
    const look = createHealth({ ...azure, health: createHealthStore(database), clock, log });
    const looking = keepLooking(look, { clock, log }, stopping.signal);
    parts.defer(async () => {
      stopping.abort();
      await looking;
    });
    const advance = createAdvance({
      rotations,
      tendEveryMs: config.compareEveryMs,
      revision: (row, number) => store.revision('all', row.id, number),
      ...azure,
      store,
      savedLogs,
      pacing: paces,
      policy,
      clock,
      log,
      tracer,
      metrics,
      tenantId,
    });
    await jobs.work(advance, { concurrency: workerConcurrency });
  }

  let url: string | null = null;
  let keyAges: Authenticator['keyAges'] = () => [];
  if (config.role !== 'worker') {
    const spentTokens = createSpentTokens(database);
    const authenticator = createAuthenticator({
      policy,
      dispatcher: telemetry.watch(dispatcher, () => 'issuer'),
      spentTokens,
      log,
      clock,
      onLookup: hit => metrics.lookedUp('callerTokens', hit),
    });
    keyAges = authenticator.keyAges;
    parts.defer(() => authenticator.close());
    const audit = createAuditStore(database);
    const refusals = createRefusals({ audit, clock, log });
    parts.defer(() => refusals.close());
    const revising = createRevising({ store, policy, clock });
    const guardRestart = createRestartGuard({ vault: directVault, store, policy });
    const app = await createApp({
      log,
      authenticator,
      rateLimits: createRateLimits({ rateOf: team => policy().policy.teams[team]?.rate, clock }),
      audit,
      refusals,
      adoption: createAdoption({ documents: azure.documents, policy, store }),
      events: createEvents({ store, watch }),
      logs: createLogs({ ...azure, store, savedLogs, clock }),
      deployments: createDeployments({ store, watch, policy, clock, revising }),
      revising,
      rotations: createRotations({ rotations, vault: directVault, policy, clock }),
      plan: createPlanning({ ...azure, vault: directVault, store, policy, clock, tenantId }),
      verbs: createVerbs({ store, policy, clock, guardRestart }),
      optionsOf: createOptions({ used: store.used, policy, clock }),
      listCredentials: createCredentialList({ vault: azure.vault, policy, clock }),
      testCredential: createCredentialTest({ ...azure, vault: directVault, policy, clock, tenantId }),
      readiness: {
        checks: async () => ({
          store: await database.ready(),
          policy: true,
          signingKeys: await authenticator.ready(),
        }),
        policy: following.state,
      },
      policyDigest: () => policy().digest,
      publicUrl: config.publicUrl,
      line,
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
    url = `http://${config.host.includes(':') ? `[${config.host}]` : config.host}:${port}`;
  }

  let metricsUrl: string | null = null;
  if (config.metricsPort !== null) {
    const sources = {
      now: clock.now,
      store: () => readVitals(database),
      policy: following.state,
      azureTokens: () => credential.tokens(),
      signingKeys: keyAges,
    };
    const listener = await telemetry.listen({ host: config.host, port: config.metricsPort }, sources);
    parts.defer(() => listener.close());
    metricsUrl = listener.url;
  }

  const running = parts.move();
  return { url, metricsUrl, reload: following.reload, close: () => running.disposeAsync() };
}

/** Changes are recorded in their turn. */
function inLine(store: DeploymentStore, line: Line): DeploymentStore {
  return {
    ...store,
    accept: acceptance => line.run(() => store.accept(acceptance)),
    acceptChange: change => line.run(() => store.acceptChange(change)),
  };
}
