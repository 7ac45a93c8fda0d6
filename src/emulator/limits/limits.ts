import { createBuckets, createWindows } from './counters.ts';
import { changeSettings, defaultSettings, type LimitSettings, type QuotaName } from './settings.ts';

/** Whether one more request is taken, and what its answer says of those that are left. */
export interface Admission {
  /** Seconds until it would be; absent where it is taken. */
  retryAfter?: number;
  headers: Record<string, string>;
}

export type ArmKind = 'reads' | 'writes' | 'deletes';

export interface Limits {
  settings(): LimitSettings;
  /** Changes what `change` names; throws a sentence that names the place. */
  change(change: unknown): void;
  /** Azure's numbers again, and nobody has asked yet. */
  reset(): void;
  /** Nobody has asked yet. */
  refill(): void;
  /** One request to Resource Manager; `subscription` is undefined for the tenant's own. */
  askArm(asked: {
    kind: ArmKind;
    subscription: string | undefined;
    principal: string;
    region: string;
  }): Admission;
  /** Whether the region takes one more creation or deletion of a container group. */
  roomForGroup(kind: 'creates' | 'deletes', subscription: string, location: string): Admission;
  /** There was one. */
  countGroup(kind: 'creates' | 'deletes', subscription: string, location: string): void;
  askVault(vault: string): Admission;
  quota(name: QuotaName): number;
}

const minuteMs = 60_000;

/** All limits, on the emulator's clock. */
export function createLimits(clock: { now(): number }): Limits {
  let settings = defaultSettings();
  const buckets = createBuckets(clock);
  const fiveMinutes = createWindows(clock, 5 * minuteMs);
  const hour = createWindows(clock, 60 * minuteMs);
  const tenSeconds = createWindows(clock, 10_000);

  function refill(): void {
    for (const counter of [buckets, fiveMinutes, hour, tenSeconds]) counter.clear();
  }

  function askArm({ kind, subscription, principal, region }: Parameters<Limits['askArm']>[0]): Admission {
    const { subscriptionFactor, [kind]: own } = settings.resourceManager;
    const all = { size: own.size * subscriptionFactor, perSecond: own.perSecond * subscriptionFactor };
    const scope = subscription?.toLowerCase() ?? 'tenant';
    const counts = [
      { key: [kind, scope, region, principal].join('/'), limit: own, name: '' },
      { key: [kind, scope].join('/'), limit: all, name: 'global-' },
    ];
    const waitMs = Math.max(...counts.map(({ key, limit }) => buckets.room(key, limit).waitMs));
    if (waitMs === 0) for (const { key, limit } of counts) buckets.count(key, limit);
    const prefix = `x-ms-ratelimit-remaining-${subscription === undefined ? 'tenant' : 'subscription'}-`;
    const headers = counts.map(({ key, limit, name }) => [
      `${prefix}${name}${kind}`,
      String(buckets.room(key, limit).remaining),
    ]);
    return admission(waitMs, Object.fromEntries(headers));
  }

  function windowsOf(kind: 'creates' | 'deletes', subscription: string, location: string) {
    const key = [kind, subscription.toLowerCase(), location].join('/');
    const { per5Minutes, perHour } = settings.containerGroups[kind];
    return [
      { name: 'pt5m', counter: fiveMinutes, key, limit: per5Minutes },
      { name: 'pt1h', counter: hour, key, limit: perHour },
    ];
  }

  return {
    settings: () => settings,
    change(change) {
      settings = changeSettings(settings, change);
    },
    reset() {
      settings = defaultSettings();
      refill();
    },
    refill,
    askArm,
    roomForGroup(...asked) {
      const rooms = windowsOf(...asked).map(({ name, counter, key, limit }) => ({
        name,
        ...counter.room(key, limit),
      }));
      // As it will be once this one is counted.
      const headers = rooms.map(({ name, remaining }) => [
        `x-ms-ratelimit-remaining-subscription-resource-requests-${name}`,
        String(Math.max(0, remaining - 1)),
      ]);
      return admission(Math.max(...rooms.map(({ waitMs }) => waitMs)), Object.fromEntries(headers));
    },
    countGroup(...asked) {
      for (const { counter, key, limit } of windowsOf(...asked)) counter.count(key, limit);
    },
    askVault(vault) {
      const limit = settings.keyVault.per10Seconds;
      const { waitMs } = tenSeconds.room(vault, limit);
      if (waitMs === 0) tenSeconds.count(vault, limit);
      return admission(waitMs, {});
    },
    quota: name => settings.quotas[name],
  };
}

/** A bucket that never fills again lets nobody know when to come back: an hour is as good as any. */
function admission(waitMs: number, headers: Record<string, string>): Admission {
  if (waitMs === 0) return { headers };
  return { headers, retryAfter: Math.max(1, Math.ceil(Math.min(waitMs, 60 * minuteMs) / 1000)) };
}
