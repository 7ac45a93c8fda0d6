import type { Metrics, Sample } from './metrics.ts';

/** Where the figures come from that others know. */
export interface VitalSources {
  now(): Date;
  store(): Promise<{
    queue: Record<'due' | 'waiting' | 'active', number>;
    oldestDueSeconds: number;
    deployments: { status: string; health: string; count: number }[];
    places: { call: string; state: string; count: number }[];
    bytes: number;
  }>;
  policy(): {
    digest: string;
    activatedAt: Date;
    reason: string | null;
    counts: { taken: number; refused: number };
  };
  /** Tokens of Azure's that are kept, by what they are for. */
  azureTokens(): { scope: string; obtainedAt: Date; expiresAt: Date }[];
  /** When the keys of each issuer were read; null: never. */
  signingKeys(): { issuer: string; loadedAt: Date | null }[];
  /** Whom nobody asks for the moment, since they do not answer. */
  openCircuits(): readonly string[];
  traces(): { exported: number; dropped: number } | null;
}

// However often it is asked for, the store is not.
const storeKeptMs = 10_000;

/** The figures that are read where they are kept, when they are asked for. */
export function readVitals(metrics: Metrics, sources: VitalSources): void {
  const seconds = (since: Date) => (sources.now().getTime() - since.getTime()) / 1000;
  const store = kept(sources.store, storeKeptMs);
  const one = (value: number): Sample[] => [{ value }];

  metrics.read(
    { name: 'queue_jobs', help: 'Jobs by state; due: nobody has taken them yet', labels: ['state'] },
    async () => Object.entries((await store()).queue).map(([state, value]) => ({ labels: { state }, value })),
  );
  metrics.read({ name: 'queue_oldest_seconds', help: 'How long the oldest job has been due' }, async () =>
    one((await store()).oldestDueSeconds),
  );
  metrics.read(
    { name: 'deployments', help: 'Deployments that hold a name', labels: ['status', 'health'] },
    async () =>
      (await store()).deployments.map(({ status, health, count }) => ({
        labels: { status, health },
        value: count,
      })),
  );
  metrics.read(
    {
      name: 'aci_places',
      help: "Places in Azure's limits of creations and deletions: waited for, given out, and used up for now",
      labels: ['call', 'state'],
    },
    async () =>
      (await store()).places.map(({ call, state, count }) => ({ labels: { call, state }, value: count })),
  );
  metrics.read(
    { name: 'circuits_open', help: 'Hosts of Azure and registries that are not asked for now: they are out' },
    () => one(sources.openCircuits().length),
  );
  metrics.read({ name: 'store_bytes', help: 'Size of the database' }, async () => one((await store()).bytes));

  metrics.read({ name: 'policy_info', help: 'The policy in use', labels: ['digest'] }, () => [
    { labels: { digest: sources.policy().digest }, value: 1 },
  ]);
  metrics.read({ name: 'policy_age_seconds', help: 'Since the policy in use became active' }, () =>
    one(seconds(sources.policy().activatedAt)),
  );
  metrics.read(
    {
      name: 'policy_deviates',
      help: '1 where the policy in use is not the one that was given',
      labels: ['reason'],
    },
    () => {
      const { reason } = sources.policy();
      return reason ? [{ labels: { reason }, value: 1 }] : [];
    },
  );
  metrics.read(
    {
      name: 'policy_loads_total',
      help: 'Policies taken into use, and refused',
      labels: ['outcome'],
      kind: 'counter',
    },
    () => Object.entries(sources.policy().counts).map(([outcome, value]) => ({ labels: { outcome }, value })),
  );

  metrics.read(
    { name: 'azure_token_age_seconds', help: "Age of Slipway's own tokens", labels: ['scope'] },
    () =>
      sources
        .azureTokens()
        .map(({ scope, obtainedAt }) => ({ labels: { scope }, value: seconds(obtainedAt) })),
  );
  metrics.read({ name: 'azure_token_remaining_seconds', help: 'Until they expire', labels: ['scope'] }, () =>
    sources.azureTokens().map(({ scope, expiresAt }) => ({ labels: { scope }, value: -seconds(expiresAt) })),
  );
  metrics.read(
    { name: 'signing_keys_age_seconds', help: 'Since the keys of an issuer were read', labels: ['issuer'] },
    () =>
      sources
        .signingKeys()
        .flatMap(({ issuer, loadedAt }) =>
          loadedAt ? [{ labels: { issuer }, value: seconds(loadedAt) }] : [],
        ),
  );
  metrics.read(
    {
      name: 'trace_spans_total',
      help: 'Spans sent to the collector, and let go',
      labels: ['outcome'],
      kind: 'counter',
    },
    () => Object.entries(sources.traces() ?? {}).map(([outcome, value]) => ({ labels: { outcome }, value })),
  );
}

function kept<T>(read: () => Promise<T>, ms: number): () => Promise<T> {
  let last: { at: number; value: Promise<T> } | null = null;
  return () => {
    const now = performance.now();
    if (!last || now - last.at > ms) last = { at: now, value: read() };
    return last.value;
  };
}
