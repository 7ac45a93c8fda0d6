import { type Kysely, sql } from 'kysely';
import type { Tables } from './tables.ts';

/** What a team may have at once, and how often it may deploy; what is absent has no limit. */
export interface Quota {
  groups?: number;
  cpu?: number;
  memoryInGB?: number;
  deploysPerHour?: number;
}

export interface QuotaExceeded {
  outcome: 'quotaExceeded';
  which: keyof Quota;
  limit: number;
  used: number;
}

export type QuotaUse = Required<Quota>;

/** What would be more than there is. */
interface Ask {
  team: string;
  groups: number;
  size: { cpu: number; memoryInGB: number };
  quota: Quota;
  now: Date;
}

const kinds = ['groups', 'cpu', 'memoryInGB', 'deploysPerHour'] as const;

// Halves and tenths of cores add up to a little more than they are.
const rounding = 1e-6;

/** A sum over live rows: nothing to give back, so nothing can leak. Exact only under the lock on the team. */
export async function exceededQuota(db: Kysely<Tables>, ask: Ask): Promise<QuotaExceeded | null> {
  const deploysPerHour = ask.quota.deploysPerHour === undefined ? 0 : await countRecent(db, ask);
  const used = { ...(await sumLive(db, ask)), deploysPerHour };
  const asked = { groups: ask.groups, ...ask.size, deploysPerHour: 1 };
  for (const which of kinds) {
    const limit = ask.quota[which];
    // Who is over his quota may still ask for less.
    if (limit !== undefined && asked[which] > 0 && used[which] + asked[which] > limit + rounding)
      return { outcome: 'quotaExceeded', which, limit, used: used[which] };
  }
  return null;
}

/** What a team has now, as its quota counts it. */
export async function usedQuota(db: Kysely<Tables>, team: string, now: Date): Promise<QuotaUse> {
  return { ...(await sumLive(db, { team })), deploysPerHour: await countRecent(db, { team, now }) };
}

async function sumLive(db: Kysely<Tables>, { team }: Pick<Ask, 'team'>) {
  const { groups, cpu, memory } = await db
    .selectFrom('deployments')
    .select([
      sql<number>`count(*)`.as('groups'),
      sql<number>`coalesce(sum(cpu), 0)`.as('cpu'),
      sql<number>`coalesce(sum(memory_in_gb), 0)`.as('memory'),
    ])
    .where('team', '=', team)
    .where('holdsName', '=', true)
    .executeTakeFirstOrThrow();
  return { groups, cpu, memoryInGB: memory };
}

async function countRecent(db: Kysely<Tables>, { team, now }: Pick<Ask, 'team' | 'now'>): Promise<number> {
  const hourAgo = new Date(now.getTime() - 3_600_000);
  const { recent } = await db
    .selectFrom('revisions')
    .select(sql<number>`count(*)`.as('recent'))
    .where('team', '=', team)
    .where('createdAt', '>', hourAgo)
    .executeTakeFirstOrThrow();
  return recent;
}
