import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../test/support/demo-world.ts';
import { requestFor } from '../test/support/service.ts';
import { type Fleet, startFleet, store } from './fleet.ts';
import {
  changePoints,
  createPoints,
  endPoints,
  type KillPoint,
  later,
  type Point,
  slowestMs,
} from './kill-points.ts';
import { stepPoints } from './kill-steps.ts';
import { type Accepted, allSettled, compareRecords, faultsOf, groupsOf } from './records.ts';
import { createFigure, type Figure, type Row, tell } from './row.ts';
import { within } from './scope.ts';

const rounds = [createPoints, changePoints, endPoints, stepPoints];

/**
 * kill -9 at named moments of every workflow. Each moment is held open by one slow call of Azure's, and is known by that
 * call being under way; the points of a round are reached together, all replicas are killed at once, and whoever starts
 * next takes everything to its end.
 */
export async function proveKills({ full }: { full: boolean }): Promise<Row[]> {
  const times = full ? 10 : 1;
  const figure = createFigure(
    `kill -9 at every point, ${store.name} x ${store.replicas}`,
    rounds.flat().length * times,
  );
  const records = createFigure(`  records compared after it: none lost, doubled, orphaned`, times);
  for (let turn = 0; turn < times; turn += 1)
    await within(async scope => {
      const fleet = await startFleet(scope);
      const accepted: Accepted = new Map();
      const points = rounds.map(round => round.map(point => ({ ...point, name: `${point.name}-${turn}` })));
      await prepare(fleet, accepted, points.flat());
      for (const round of points) await killOnce(fleet, accepted, round, figure);
      await allSettled(fleet, accepted);
      records.reached(`turn ${turn + 1}`, faultsOf(await compareRecords(fleet, accepted)));
    }).catch(error => records.missed(`turn ${turn + 1}`, error));
  return [figure.row(), records.row()];
}

/** What is changed or ended later runs first. */
async function prepare(fleet: Fleet, accepted: Accepted, points: readonly KillPoint[]): Promise<void> {
  const before = points.filter(point => point.before !== null);
  await Promise.all(
    before.map(async point => {
      const { status, json, text } = await fleet.ask('POST', '/deployments', {
        body: requestFor(point.name, point.before ?? {}),
        headers: later,
      });
      if (status !== 202) throw new Error(`${point.name}: ${status} ${text}`);
      accepted.set(point.name, json.id);
    }),
  );
  await allSettled(fleet, accepted);
}

async function killOnce(
  fleet: Fleet,
  accepted: Accepted,
  round: readonly KillPoint[],
  figure: Figure,
): Promise<void> {
  const reached = await Promise.all(
    round.map(point =>
      reach(fleet, accepted, point).catch(error => {
        figure.missed(point.moment, error);
        return null;
      }),
    ),
  );
  const killedAt = performance.now();
  await fleet.kill('SIGKILL');
  await fleet.world.control('DELETE', 'faults');
  await fleet.start();
  for (const [index, point] of round.entries()) {
    const at = reached[index];
    if (!at) continue;
    // The slow call ended before the kill: that was another moment.
    if (killedAt - at.reachedAt > slowestMs) figure.missed(point.moment, 'the others took too long');
    else figure.reached(point.moment, await check(fleet, point, at));
  }
  tell(`${figure.row().executed} of ${figure.row().planned} points`);
}

interface Hold {
  id: string;
}

interface Reached extends Point {
  reachedAt: number;
}

async function reach(fleet: Fleet, accepted: Accepted, point: KillPoint): Promise<Reached> {
  const id = accepted.get(point.name) ?? '';
  const hold = point.hold
    ? ((await fleet.world.control('POST', 'faults', point.hold(point.name))) as Hold)
    : null;
  const { status, json, text } = await point.act(fleet, { name: point.name, id });
  if (status !== 202) throw new Error(`${status} ${text}`);
  if (!id) accepted.set(point.name, json.id);
  const at = { name: point.name, id: id || json.id, operation: json.operation ?? json.id };
  if (hold) await eventually('the call', () => isMet(fleet, hold.id), 60_000);
  if (point.seen)
    await eventually('Azure to have it', async () => await point.seen?.(await groupsOf(fleet), at), 15_000);
  return { ...at, reachedAt: performance.now() };
}

/** A fault that has met its request: the call is under way, and will be for a while. */
async function isMet({ world }: Fleet, id: string): Promise<boolean> {
  const { value } = (await world.control('GET', 'faults')) as { value: { id: string; times: number }[] };
  const left = value.find(each => each.id === id)?.times ?? 0;
  return left === 0 || left % 1_000 !== 0;
}

async function check(fleet: Fleet, point: KillPoint, at: Point): Promise<string[]> {
  const faults: string[] = [];
  const expect = (what: string, found: unknown, wanted: unknown) => {
    if (found !== wanted) faults.push(`${what} is ${found}, not ${wanted}`);
  };
  const settled = await eventually(
    'its end',
    async () => {
      const { json } = await fleet.ask('GET', `/deployments/${at.id}`);
      if (json?.settled) return json;
      return await sleep(200, null);
    },
    90_000,
  ).catch(error => ({ status: String(error.message), revision: null }));
  const operation = await eventually(
    'its operation',
    async () => {
      const { json } = await fleet.ask('GET', `/operations/${at.operation}`);
      if (json?.endedAt) return json;
      return await sleep(200, null);
    },
    90_000,
  ).catch(() => ({ status: 'never ended' }));
  const groups = (await groupsOf(fleet)).filter(({ name }) => name === at.name);
  expect('the status', settled.status, point.end.status);
  expect('the operation', operation.status, point.end.operation ?? 'Succeeded');
  expect('the number of groups', groups.length, point.end.revision === null ? 0 : 1);
  if (point.end.revision !== null) expect('the revision in Azure', groups[0]?.revision, point.end.revision);
  const made = (await fleet.world.journal()).filter(
    ({ method, path, status }) =>
      method === 'PUT' && path.includes(`/containerGroups/${at.name}?`) && status === 201,
  ).length;
  if (made > point.end.made) faults.push(`the group was made ${made} times, not ${point.end.made}`);
  return faults;
}
