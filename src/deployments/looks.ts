import type { GroupLists, ListedGroup } from '../azure/group-lists.ts';
import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import type { ContainerGroupView, Status } from '../schemas/deployment.ts';
import type { DeploymentRow } from '../store/deployments.ts';
import type { Crowd, Followed, FollowingStore, Resting } from '../store/following.ts';
import { isMoving, isOurs, revisionOf } from './group-marks.ts';
import type { Pacing } from './pacing.ts';

type Place = Pick<DeploymentRow, 'subscription' | 'resourceGroup'>;
type Row = Place & Pick<DeploymentRow, 'status' | 'timeline' | 'deadlineAt' | 'containerGroup'>;

/** When the live groups are looked at. A look is one read of one group, and the only thing that is believed of it. */
export interface Looks {
  /** Soon at first, then later; in a crowd when it is its turn. `group`: as it was seen last. */
  nextInMs(row: Row, group?: ContainerGroupView | null): Promise<number>;
  /** The first after Azure took a change: at once, where no crowd waits. */
  firstInMs(row: Place): Promise<number>;
  /** How long until a group at rest is compared again: as usual, or later where the subscription has many. */
  nextComparisonInMs(row: Pick<Place, 'subscription'>, usualMs: number): number;
  /** So many are under way there that nobody is looked at without need. */
  isCrowded(row: Place): Promise<boolean>;
  /**
   * Brings forward the looks at what has moved. One list of a resource group tells that of all that are followed there; a
   * list may lag behind, and says nothing of containers (recorded traffic).
   */
  lookAround(signal: AbortSignal): Promise<void>;
}

interface LooksParts {
  following: FollowingStore;
  groupLists: GroupLists;
  pacing: Pick<Pacing, 'readsBlocked'>;
  clock: Clock;
  log: Log;
}

const soonestMs = 500;
const latestMs = 10_000;
/**
 * Of the 25 reads a second that a subscription gets back, for those of which a list can tell the end and for those of which
 * it cannot; submitting, health and the last looks take the others.
 */
const looksPerSecond = 5;
/** Of the same reads, those for comparing what is at rest. */
const comparisonsPerSecond = 5;
const restingGoodForMs = 60_000;
/** How many looks a second are brought forward: most of them are the last of their deployment. */
const broughtForwardPerSecond = 15;
/** Of fewer a list costs more than it saves. */
const fewestListed = 5;
/** So many share more than they need: what a list can tell is left to it. */
const crowdedFrom = 25;
const shortestListMs = 2_000;
/** Lists of all resource groups of a subscription together: two and a half a second. */
const listMsPerNeighbour = 400;
/** What a list costs of our own time, 0.02 ms a group (measured), is a hundredth of the time between two. */
const listMsPerGroup = 2;
/** Counting ten thousand takes 20 ms (measured): a five-hundredth of the time for which it is good. */
const goodForMs = (crowds: readonly Crowd[]) =>
  Math.max(
    1_000,
    crowds.reduce((sum, { listed, silent }) => sum + listed + silent, 0),
  );
const listLagMs = 60_000;

export function createLooks(parts: LooksParts): Looks {
  const { following, clock } = parts;
  const crowds = keep(() => following.crowds(), goodForMs, clock);
  const around = async (place: Place) => find(await crowds(), place);
  const countResting = keep(
    () => following.resting(),
    () => restingGoodForMs,
    clock,
  );
  let resting: readonly Resting[] = [];
  return {
    async nextInMs(row, group = row.containerGroup) {
      const now = clock.now().getTime();
      const age = now - Date.parse(row.timeline.at(-1)?.startedAt ?? '') || 0;
      const alone = aloneMs(age);
      const waits = waitMs(await around(row), age, isSilent(row.status, group?.provisioningState ?? null));
      const again = waits > alone ? spread(waits) : Math.round(alone);
      const left = row.deadlineAt.getTime() - now;
      return left > 0 ? Math.min(again, left) : again;
    },
    async firstInMs(row) {
      const turn = turnMs(await around(row), false);
      return turn > soonestMs ? spread(turn) : 0;
    },
    nextComparisonInMs({ subscription }, usualMs) {
      const here = resting.find(each => each.subscription === subscription.toLowerCase());
      const turn = ((here?.groups ?? 0) * 1_000) / comparisonsPerSecond;
      return Math.round(Math.max(usualMs, turn) * (0.9 + Math.random() / 5));
    },
    isCrowded: async row => (await around(row)).crowd.listed >= crowdedFrom,
    async lookAround(signal) {
      resting = await countResting();
      const all = await crowds();
      for (const crowd of all) {
        if (signal.aborted) return;
        await bringForward(find(all, crowd), parts, signal).catch(err =>
          parts.log.warn({ err, resourceGroup: crowd.resourceGroup }, 'a resource group was not listed'),
        );
      }
    },
  };
}

const pauseMs = 2_000;

/** Looks around until it is aborted. Any number of replicas may. */
export async function keepLookingAround(
  looks: Pick<Looks, 'lookAround'>,
  { clock, log }: { clock: Clock; log: Log },
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await looks.lookAround(signal).catch(err => log.warn({ err }, 'what is under way was not counted'));
    await clock.wait(pauseMs, signal).catch(() => {});
  }
}

/** A resource group among those of its subscription in which something is under way. */
interface Around {
  crowd: Crowd;
  groups: number;
}

function find(all: readonly Crowd[], place: Place): Around {
  const subscription = place.subscription.toLowerCase();
  const resourceGroup = place.resourceGroup.toLowerCase();
  const near = all.filter(each => each.subscription === subscription);
  const crowd = near.find(each => each.resourceGroup === resourceGroup);
  const nobody = { subscription, resourceGroup, listed: 0, silent: 0 };
  return { crowd: crowd ?? nobody, groups: Math.max(1, near.length) };
}

/** How long until each there has had a look, where the subscription's looks are shared between its resource groups. */
const turnMs = ({ crowd, groups }: Around, silent: boolean) =>
  ((silent ? crowd.silent : crowd.listed) * groups * 1_000) / looksPerSecond;

const aloneMs = (age: number) => Math.min(Math.max(age / 8, soonestMs), latestMs);

/** Where a list tells the end, what is looked for is only what does not come to run: it shows soon, or is not hurried. */
function waitMs(around: Around, age: number, silent: boolean): number {
  const told = !silent && around.crowd.listed >= crowdedFrom;
  return Math.max(turnMs(around, silent), told ? age : aloneMs(age));
}

const isSilent = (status: Status, provisioningState: string | null) =>
  status !== 'Deleting' && status !== 'Canceling' && hasEnded(provisioningState);

const hasEnded = (provisioningState: string | null) =>
  provisioningState !== null && !isMoving({ provisioningState });

/** Thousands that began at once do not come back at once. */
const spread = (ms: number) => Math.round(ms * (0.75 + Math.random() / 2));

async function bringForward(around: Around, parts: LooksParts, signal: AbortSignal): Promise<void> {
  const { following, groupLists, pacing, clock } = parts;
  const { crowd, groups } = around;
  const many = crowd.listed + crowd.silent;
  const everyMs = Math.max(shortestListMs, groups * listMsPerNeighbour, many * listMsPerGroup);
  if (pacing.readsBlocked(crowd)) return;
  const now = clock.now();
  if (many >= fewestListed && !(await following.takeTurn(crowd, now, later(now, everyMs)))) return;
  const rows = await following.followed(crowd);
  const lists = rows.filter(row => !isSilent(row.status, row.provisioningState)).length >= fewestListed;
  const due = whoseTurn(rows, lists ? await groupLists.list(crowd, signal) : null, around, clock.now());
  const most = Math.ceil((broughtForwardPerSecond * everyMs) / 1_000 / groups);
  if (due.length > 0) await following.wake(due.slice(0, most));
}

const later = (date: Date, ms: number) => new Date(date.getTime() + ms);

/** Whose look is brought forward, those first of whom the list has news. Pure. */
export function whoseTurn(
  rows: readonly Followed[],
  listed: readonly ListedGroup[] | null,
  around: Around,
  now: Date,
): string[] {
  const byName = new Map(listed?.map(group => [group.name.toLowerCase(), group]));
  const free = rows.filter(
    ({ waitsUntil }) => waitsUntil === null || Date.parse(waitsUntil) <= now.getTime(),
  );
  const moved = free.filter(row => listed !== null && hasNews(row, byName.get(row.name), now));
  const overdue = free.filter(row => isOverdue(row, around, now));
  return [...new Set([...moved, ...overdue].map(({ id }) => id))];
}

/** Its look was put far away when there were more. */
function isOverdue(row: Followed, around: Around, now: Date): boolean {
  const age = row.updatedAt.getTime() - Date.parse(row.startedAt ?? '') || 0;
  const waits = waitMs(around, age, isSilent(row.status, row.provisioningState));
  return sinceLook(row, now) > 2 * Math.max(waits, latestMs);
}

const sinceLook = ({ updatedAt }: Followed, now: Date) => now.getTime() - updatedAt.getTime();

/** A list may lag behind: one that it does not have may be there, and is asked for by itself then, now and then. */
function hasNews(row: Followed, group: ListedGroup | undefined, now: Date): boolean {
  const ours = group && isOurs(group, row) ? group : undefined;
  if (row.status === 'Deleting' || row.status === 'Canceling') return !ours;
  if (!ours) return sinceLook(row, now) > listLagMs;
  if (revisionOf(ours) !== row.revision || hasEnded(row.provisioningState)) return false;
  return hasEnded(ours.provisioningState ?? null);
}

/** One call at a time; what it found is good for as long as it says itself. */
function keep<T>(read: () => Promise<T>, goodForMs: (found: T) => number, clock: Clock): () => Promise<T> {
  let kept: { found: Promise<T>; until: number } | null = null;
  return () => {
    if (kept && clock.now().getTime() < kept.until) return kept.found;
    const fresh = { found: read(), until: Number.POSITIVE_INFINITY };
    kept = fresh;
    fresh.found.then(
      found => {
        fresh.until = clock.now().getTime() + goodForMs(found);
      },
      () => {
        fresh.until = 0;
      },
    );
    return fresh.found;
  };
}
