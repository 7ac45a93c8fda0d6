import { randomUUIDv7 } from 'node:crypto';
import { AzureError } from '../azure/failure.ts';
import { decide } from '../policy/decide.ts';
import { callerAgain } from '../policy/principals.ts';
import type { Operation } from '../schemas/deployment.ts';
import type { Failure } from '../schemas/failure.ts';
import type { RotationItem } from '../schemas/rotation.ts';
import type { DeploymentStore, RevisionRow } from '../store/deployments.ts';
import type { RotationMove, RotationRow, RotationStore } from '../store/rotations.ts';
import { failure } from './failure.ts';
import { digestsOf, pinnedTo } from './pins.ts';
import { proveImages, resolveRegistries } from './proof.ts';
import { sizeOf } from './spec.ts';
import type { StageParts, StoredPlan } from './stages/stage.ts';
import { findWorkloadSecrets } from './workload-secrets.ts';

export interface RotatingParts extends StageParts {
  store: DeploymentStore;
  rotations: RotationStore;
}

const lookAgainInMs = 1_000;
const retryInMs = 5_000;

/**
 * One step of a rotation. First the new version is proven on every image of every deployment that is behind, and nothing is
 * touched where one of them could not be pulled with it; then they are redeployed one after another, until one fails.
 */
export async function rotate(
  row: RotationRow,
  parts: RotatingParts,
  signal: AbortSignal,
): Promise<RotationMove> {
  const now = parts.clock.now();
  try {
    return row.items === null ? await prove(row, parts, signal) : await roll(row, row.items, parts);
  } catch (error) {
    const late = now >= row.deadlineAt;
    if (!(error instanceof AzureError) || (!error.retryable && !late)) throw error;
    if (!late) return { now, againInMs: retryInMs, retries: row.retries + 1 };
    const detail = `Azure did not answer as it should until the rotation was given up: ${error.message}`;
    return end(now, failure('VaultUnavailable', detail));
  }
}

const end = (now: Date, found: Failure): RotationMove => ({ now, outcome: 'Failed', failure: found });

interface Behind {
  live: RevisionRow;
  item: RotationItem;
}

async function prove(row: RotationRow, parts: RotatingParts, signal: AbortSignal): Promise<RotationMove> {
  const now = parts.clock.now();
  const url = parts.policy().policy.vaults?.[row.vault]?.url.replace(/\/$/, '');
  if (url === undefined)
    return end(now, failure('PolicyRevoked', `The policy no longer has vault '${row.vault}'.`));
  const [newest] = await parts.vault.properties(url, row.secretName, signal);
  if (!newest) return end(now, failure('SecretNotFound', `Secret '${row.secretName}' is not in the vault.`));
  const behind = await findBehind(row, newest.version, parts);
  const troubles: { item: RotationItem; found: Failure }[] = [];
  for (const each of behind) {
    const found = await whyNot(row, each.live, parts, signal);
    if (found) troubles.push({ item: each.item, found });
  }
  const [first] = troubles;
  if (first)
    return end(
      now,
      unproven(
        row,
        newest.version,
        first.found,
        troubles.map(({ item }) => item.name),
      ),
    );
  const items = behind.map(({ item }) => item);
  return { now, phase: 'Submitting', version: newest.version, items, againInMs: 0 };
}

async function findBehind(row: RotationRow, newest: string, { store, rotations }: RotatingParts) {
  const uses = await rotations.uses([row.team], row);
  const ids = [
    ...new Set(uses.filter(({ version }) => version !== newest).map(({ deployment }) => deployment)),
  ];
  const behind: Behind[] = [];
  for (const id of ids) {
    const use = uses.find(({ deployment }) => deployment === id);
    const live = use && (await store.revision([row.team], id, use.revision));
    if (live && use)
      behind.push({ live, item: { deployment: id, name: use.name, operation: null, outcome: null } });
  }
  return behind;
}

/** Why a live revision could not be made again with the newest versions; null where it could. Nothing is touched. */
async function whyNot(
  row: RotationRow,
  live: RevisionRow,
  parts: RotatingParts,
  signal: AbortSignal,
): Promise<Failure | null> {
  const now = parts.clock.now();
  const decision = decideFor(row, live, parts);
  if (!decision.allowed)
    return failure('PolicyRevoked', `The policy does not allow this: ${decision.detail}`);
  using held = new DisposableStack();
  const credentialParts = { vault: parts.vault, policy: parts.policy(), now, signal, held };
  const resolved = await resolveRegistries(decision.plan.registries, credentialParts);
  const images = pinnedTo(digestsOf(live.images), live.spec);
  const workload = await findWorkloadSecrets(decision.plan.workloadSecrets, credentialParts);
  if (!workload.ok) return workload.failure;
  const { resourceGroup } = decision.plan.target;
  const group = { name: live.spec.name, resourceGroup };
  const verdicts = await proveImages(images, resolved, live.spec, {
    ...parts,
    now,
    group,
    signal,
    fresh: true,
  });
  const refused = verdicts.find(verdict => !verdict.ok);
  return refused ? refused.failure : null;
}

function decideFor(row: RotationRow, live: RevisionRow, { policy }: RotatingParts) {
  const { ask } = live.plan as StoredPlan;
  const { team, target, location } = live.spec;
  const places = Object.fromEntries(
    Object.entries({ team, target, location }).filter(([, value]) => value !== undefined),
  );
  return decide(policy(), callerAgain(policy(), row.caller), { ...ask, ...places });
}

function unproven({ secretName }: RotationRow, version: string, first: Failure, names: string[]): Failure {
  const detail = `Version ${version} of secret '${secretName}' cannot be used for ${names.join(', ')}: nothing was touched. ${first.detail}`;
  return { ...first, detail };
}

async function roll(row: RotationRow, items: RotationItem[], parts: RotatingParts): Promise<RotationMove> {
  const now = parts.clock.now();
  const item = items.find(({ outcome }) => outcome === null);
  if (!item) return { now, outcome: 'Succeeded' };
  const replaced = (changed: Partial<RotationItem>) =>
    items.map(each => (each === item ? { ...each, ...changed } : each));
  if (item.operation === null) {
    const operation = await redeploy(row, item, parts);
    return {
      now,
      againInMs: lookAgainInMs,
      items: replaced(operation ? { operation } : { outcome: 'Skipped' }),
    };
  }
  const operation = await parts.store.findOperation([row.team], item.operation);
  if (!operation || operation.endedAt === null) return { now, againInMs: lookAgainInMs };
  if (operation.status === 'Succeeded')
    return { now, againInMs: 0, items: replaced({ outcome: 'Succeeded' }) };
  return { ...end(now, stopped(item, operation, items)), items: replaced({ outcome: 'Failed' }) };
}

function stopped(item: RotationItem, { failure: found, status }: Operation, items: RotationItem[]): Failure {
  const left = items.filter(({ outcome }) => outcome === null).length - 1;
  const rest = left > 0 ? ` ${left} that come after it were not touched.` : '';
  const base = found ?? failure('Unknown', `The redeployment ended ${status}.`);
  return { ...base, detail: `Deployment '${item.name}' could not be redeployed: ${base.detail}${rest}` };
}

/** With a key of its own, so that a kill does not make it twice. Null where there is nothing live any more. */
async function redeploy(row: RotationRow, item: RotationItem, parts: RotatingParts): Promise<string | null> {
  const { store, clock } = parts;
  const now = clock.now();
  const present = await store.find([row.team], { id: item.deployment });
  const number = present?.liveRevision ?? null;
  const live = number === null ? null : await store.revision([row.team], item.deployment, number);
  if (!live) return null;
  const decision = decideFor(row, live, parts);
  if (!decision.allowed) return null;
  const { ask } = live.plan as StoredPlan;
  const key = `rotation ${row.id} ${item.deployment}`;
  const result = await store.acceptChange({
    ...{ id: item.deployment, team: row.team, operation: randomUUIDv7(), now, onBusy: 'queue' },
    intent: { kind: 'Redeploy', pins: digestsOf(live.images) },
    revision: {
      spec: live.spec,
      plan: { plan: decision.plan, ask, caller: row.caller },
      size: sizeOf(live.spec),
      quota: {},
    },
    createdBy: row.caller.principal,
    onBehalfOf: row.caller.onBehalfOf ?? null,
    policyDigest: decision.digest,
    superseded: failure('Superseded', 'The rotation of a secret took the place of this operation.'),
    requestId: row.id,
    idempotency: { keyHash: key, requestHash: key, expiresAt: row.deadlineAt },
  });
  return 'operation' in result && result.outcome !== 'busy' ? result.operation : null;
}
