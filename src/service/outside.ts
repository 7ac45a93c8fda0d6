import { cacheVault } from '../azure/cached-vault.ts';
import { createContainerGroups } from '../azure/container-groups.ts';
import { createAzureCredential } from '../azure/credential.ts';
import { createGroupDocuments } from '../azure/group-documents.ts';
import { createGroupLists } from '../azure/group-lists.ts';
import { createRegistryToken } from '../azure/registry-token.ts';
import { createRoles } from '../azure/roles.ts';
import { createTransport } from '../azure/transport.ts';
import { createVault } from '../azure/vault.ts';
import { createCircuits, dependencyOf } from '../circuits.ts';
import { type Clock, systemClock } from '../clock.ts';
import type { Config } from '../config.ts';
import type { Pacing } from '../deployments/pacing.ts';
import { createDispatcher } from '../hosts.ts';
import { createLog, type Log } from '../log.ts';
import type { LivePolicy } from '../policy/live.ts';
import { directoryOf, gateFor, tokenHostFor } from '../policy/registry-gates.ts';
import { createRegistryClient } from '../registry/client.ts';
import { createRegistryMemory } from '../registry/memory.ts';
import { azureServiceOf } from '../telemetry/calls.ts';
import { startTelemetry } from '../telemetry/telemetry.ts';

/** In place of what a process has: for tests. */
export interface Overrides {
  log?: Log;
  clock?: Clock;
}

export type Ground = ReturnType<typeof layGround>;
export type Azure = ReturnType<typeof openAzure>;

/** What Azure's transport asks of parts that are built on it. */
export interface Late {
  live: LivePolicy | null;
  pacing: Pacing | null;
}

/** What every other part stands on. */
export function layGround(config: Config, overrides: Overrides, parts: AsyncDisposableStack) {
  const log = overrides.log ?? createLog({ level: config.logLevel });
  const clock = overrides.clock ?? systemClock;
  const telemetry = startTelemetry({ tracing: config.tracing, log });
  parts.defer(() => telemetry.close());
  const dispatcher = createDispatcher(trusting(config));
  parts.defer(() => dispatcher.destroy());
  const { tracer, metrics } = telemetry;
  return { log, clock, telemetry, tracer, metrics, dispatcher, circuits: createCircuits(clock) };
}

const trusting = ({ hosts, ca }: Config) => ({ table: hosts, ...(ca ? { ca } : {}) });

/** Azure as Slipway calls it, and the registries that callers name. */
export function openAzure(config: Config, ground: Ground, late: Late, parts: AsyncDisposableStack) {
  const { clock, telemetry, metrics, dispatcher, circuits } = ground;
  const transport = createTransport({
    dispatcher: circuits.guard(telemetry.watch(dispatcher, azureServiceOf), dependencyOf),
    vaults: () => Object.values(late.live?.current().policy.vaults ?? {}).map(({ url }) => url),
    blob: config.policy.startsWith('https:') ? config.policy : null,
    onArmAnswer: answer => late.pacing?.observe(answer),
  });
  const credential = createAzureCredential(config.azure, transport, hit =>
    metrics.lookedUp('azureTokens', hit),
  );
  const registry = openRegistries(config, ground, late, parts);
  // For who must know how it is now: nothing is answered from memory.
  const directVault = createVault({ credential, transport });
  const vault = cacheVault(directVault, { clock, onLookup: hit => metrics.lookedUp('secrets', hit) });
  parts.defer(() => vault.close());
  return {
    credential,
    transport,
    registry,
    directVault,
    vault,
    containerGroups: createContainerGroups({ credential, transport }),
    groupLists: createGroupLists({ credential, transport }),
    documents: createGroupDocuments({ credential, transport }),
    roles: createRoles({ credential, transport }),
    acrToken: createRegistryToken(credential),
  };
}

/** What callers name is reached through a door of its own: no private address but by policy. */
function openRegistries(config: Config, ground: Ground, late: Late, parts: AsyncDisposableStack) {
  const { clock, telemetry, metrics, circuits } = ground;
  const directory = directoryOf(config.policy);
  const outside = createDispatcher({
    ...trusting(config),
    gateOf: host => (late.live ? gateFor(late.live.current().policy, host, directory) : {}),
  });
  parts.defer(() => outside.destroy());
  const memory = createRegistryMemory(clock, metrics.lookedUp);
  parts.defer(() => memory.close());
  return createRegistryClient({
    dispatcher: circuits.guard(
      telemetry.watch(outside, () => 'registry'),
      dependencyOf,
    ),
    memory,
    tokenHostOf: host => (late.live ? tokenHostFor(late.live.current().policy, host) : undefined),
  });
}
