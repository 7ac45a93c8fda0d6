/** A token bucket: it holds `size` requests and gets `perSecond` back. */
export interface Rate {
  size: number;
  perSecond: number;
}

export interface Windows {
  per5Minutes: number;
  perHour: number;
}

/** What may be asked how often, and how much there is: Azure's own numbers unless a test changes them. */
export interface LimitSettings {
  /** For each subscription, principal and region; a whole subscription may ask `subscriptionFactor` times as often. */
  resourceManager: { reads: Rate; writes: Rate; deletes: Rate; subscriptionFactor: number };
  /** For each subscription and region. */
  containerGroups: { creates: Windows; deletes: Windows };
  keyVault: { per10Seconds: number };
  /** In each region of a subscription. */
  quotas: Record<QuotaName, number>;
  roleAssignments: {
    perSubscription: number;
    /** How long an assignment, or its end, needs to take effect. */
    effectAfterMs: number;
  };
  /** Whether 429 says when to come back. */
  retryAfter: boolean;
}

export type QuotaName =
  | 'ContainerGroups'
  | 'StandardCores'
  | 'StandardSpotCores'
  | 'StandardK80Cores'
  | 'StandardP100Cores'
  | 'StandardV100Cores'
  | 'DedicatedContainerGroups'
  | 'DedicatedCores'
  | 'ConfidentialContainerGroups'
  | 'ConfidentialCores';

/** The region of the demo world has more room than Azure gives at first: 100 groups and 100 cores. */
export function defaultSettings(): LimitSettings {
  return {
    resourceManager: {
      reads: { size: 250, perSecond: 25 },
      writes: { size: 200, perSecond: 10 },
      deletes: { size: 200, perSecond: 10 },
      subscriptionFactor: 15,
    },
    containerGroups: {
      creates: { per5Minutes: 100, perHour: 300 },
      deletes: { per5Minutes: 100, perHour: 300 },
    },
    keyVault: { per10Seconds: 4_000 },
    quotas: {
      ContainerGroups: 1_000,
      StandardCores: 1_000,
      StandardSpotCores: 100,
      StandardK80Cores: 8,
      StandardP100Cores: 8,
      StandardV100Cores: 8,
      DedicatedContainerGroups: 100,
      DedicatedCores: 1_000,
      ConfidentialContainerGroups: 100,
      ConfidentialCores: 1_000,
    },
    roleAssignments: { perSubscription: 4_000, effectAfterMs: 0 },
    retryAfter: true,
  };
}

/** The settings with what `change` says otherwise; throws a sentence that names the place. */
export function changeSettings(settings: LimitSettings, change: unknown): LimitSettings {
  return merge(settings, change, '');
}

function merge<T extends object>(present: T, change: unknown, place: string): T {
  if (typeof change !== 'object' || change === null || Array.isArray(change))
    throw new Error(`${place === '' ? 'the body' : `'${place}'`} is an object`);
  const changed = Object.entries(change).map(([name, value]) => {
    const at = place === '' ? name : `${place}.${name}`;
    const known = Object.entries(present).find(([each]) => each === name)?.[1];
    if (known === undefined)
      throw new Error(`there is no '${at}': it takes ${Object.keys(present).join(', ')}`);
    return [name, typeof known === 'object' ? merge(known, value, at) : plain(known, value, at)];
  });
  return { ...present, ...Object.fromEntries(changed) };
}

function plain(known: unknown, value: unknown, place: string): unknown {
  if (typeof known === 'boolean') {
    if (typeof value !== 'boolean') throw new Error(`'${place}' is true or false`);
  } else if (typeof value !== 'number' || !Number.isFinite(value) || value < 0)
    throw new Error(`'${place}' is a number, 0 or more`);
  return value;
}
