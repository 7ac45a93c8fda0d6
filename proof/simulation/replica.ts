import { createAdvance } from '../../src/deployments/advance.ts';
import type { Deployments } from '../../src/deployments/deployments.ts';
import { createDeployments } from '../../src/deployments/deployments.ts';
import type { LookOnce } from '../../src/deployments/health.ts';
import { createHealth } from '../../src/deployments/health.ts';
import { createLooks, type Looks } from '../../src/deployments/looks.ts';
import { createPacing } from '../../src/deployments/pacing.ts';
import { createRestartGuard } from '../../src/deployments/restart-guard.ts';
import { createRevising, type Revising } from '../../src/deployments/revising.ts';
import { createRotations, type Rotations } from '../../src/deployments/rotation.ts';
import { createVerbs, type Verbs } from '../../src/deployments/verbs.ts';
import type { Log } from '../../src/log.ts';
import type { LoadedPolicy } from '../../src/policy/load.ts';
import { Secret } from '../../src/secret.ts';
import type { Claim } from '../../src/store/jobs.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { createTracer } from '../../src/telemetry/trace.ts';
import type { Actor } from './calls.ts';
import type { Ports } from './world.ts';

/** One process of the service, as far as it decides: the heart as it is, on ports of the model. */
export interface Replica extends Actor {
  advance(claim: Claim): Promise<void>;
  look: LookOnce;
  looks: Looks;
  deployments: Deployments;
  revising: Revising;
  verbs: Verbs;
  rotations: Rotations;
}

// They count what is not looked at here.
const metrics = createMetrics();
const tracer = createTracer();

const tendEveryMs = 10 * 60_000;

export function createReplica(
  actor: Actor,
  ports: Ports,
  { log, policy }: { log: Log; policy: () => LoadedPolicy },
): Replica {
  const { store, rotations, health, clock, vault, registry, arm } = ports;
  const pacing = createPacing({ store: ports.pacing, clock });
  const looks = createLooks({ ...arm, following: ports.following, pacing, clock, log });
  const parts = {
    ...arm,
    looks,
    store,
    rotations,
    pacing,
    vault,
    registry,
    clock,
    policy,
    log,
    tracer,
    metrics,
  };
  const revising = createRevising({ store, policy, clock });
  const guardRestart = createRestartGuard({ vault, store, policy });
  return Object.assign(actor, {
    advance: createAdvance({
      ...parts,
      ...{ tendEveryMs, tenantId: '', savedLogs: { save: async () => {} } },
      acrToken: async () => new Secret(''),
      revision: (row, number) => store.revision('all', row.id, number),
    }),
    looks,
    look: createHealth({ ...arm, health, clock, log }),
    deployments: createDeployments({ store, policy, clock, revising, watch: unwatched }),
    revising,
    verbs: createVerbs({ store, policy, clock, guardRestart }),
    rotations: createRotations({ rotations, vault, policy, clock }),
  });
}

/** Nobody waits for news. */
const unwatched = {
  until: async () => null,
  subscribe() {
    throw new Error('nobody waits for news');
  },
  close: async () => {},
};
