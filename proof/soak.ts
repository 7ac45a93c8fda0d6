import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { requestFor } from '../test/support/service.ts';
import { type Fleet, startFleet } from './fleet.ts';
import { noLimits } from './limits.ts';
import { createFigure, type Row, tell } from './row.ts';
import { within } from './scope.ts';

const minutes = 30;
const minuteMs = 60_000;
// What the caches take at first is not a slope.
const warmMinutes = 10;
const mostMbPerHour = 30;
const mostHandlesPerHour = 10;

interface Sample {
  mb: number;
  handles: number;
}

/** Half an hour of creations, reads and deletions: neither memory nor handles grow with it. Only with `--full`. */
export async function proveSoak({ full }: { full: boolean }): Promise<Row[]> {
  if (!full) return [];
  const figure = createFigure(`soak of ${minutes} min: samples`, minutes);
  const slopes = createFigure('  slopes of memory and of handles', 2);
  await within(async scope => {
    const fleet = await startFleet(scope);
    await fleet.world.control('PATCH', 'limits', noLimits);
    const ending = new AbortController();
    const load = keepAsking(fleet, ending.signal);
    const samples: Sample[] = [];
    while (samples.length < minutes) {
      await Promise.race([sleep(minuteMs), load]);
      samples.push(sampleOf(fleet));
      figure.reached(`minute ${samples.length}`);
    }
    ending.abort();
    await load;
    const late = samples.slice(warmMinutes);
    judge('MB an hour', slopeOf(late.map(({ mb }) => mb)) * 60, mostMbPerHour);
    judge('handles an hour', slopeOf(late.map(({ handles }) => handles)) * 60, mostHandlesPerHour);
  }).catch(error => figure.missed('its end', error));
  return [figure.row(), slopes.row()];

  function judge(what: string, slope: number, most: number): void {
    tell(`soak: ${slope.toFixed(1)} ${what}`);
    slopes.reached(what, slope <= most ? [] : [`${slope.toFixed(1)}, more than ${most}`]);
  }
}

async function keepAsking(fleet: Fleet, signal: AbortSignal): Promise<void> {
  const headers = { prefer: 'respond-async' };
  const made: string[] = [];
  for (let n = 0; !signal.aborted; n += 1) {
    const { status, json, text } = await fleet.ask('POST', '/deployments', {
      body: requestFor(`soak-${n}`),
      headers,
    });
    if (status !== 202) throw new Error(`${status} ${text}`);
    made.push(json.id);
    for (let reads = 0; reads < 8; reads += 1) await fleet.ask('GET', '/deployments?maxpagesize=20');
    const old = made.length > 20 ? made.shift() : undefined;
    if (old) await fleet.ask('DELETE', `/deployments/${old}`, { headers });
    await sleep(1_000);
  }
}

/** Of all replicas together. */
function sampleOf({ members, world }: Fleet): Sample {
  const each = members.map(({ child }) => ({
    mb: Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]) / 1_024,
    handles: handlesOf(join('/proc', String(child.pid), 'fd'), world.data),
  }));
  return {
    mb: each.reduce((sum, { mb }) => sum + mb, 0),
    handles: each.reduce((sum, { handles }) => sum + handles, 0),
  };
}

/** Without the tables of the embedded store: PostgreSQL keeps what it has read open, up to a number of its own. */
function handlesOf(directory: string, data: string): number {
  return readdirSync(directory).filter(name => !targetOf(join(directory, name)).startsWith(data)).length;
}

function targetOf(handle: string): string {
  try {
    return readlinkSync(handle);
  } catch {
    // Closed meanwhile.
    return '';
  }
}

/** Of a straight line through the values, by one step: least squares. */
function slopeOf(values: readonly number[]): number {
  const meanX = (values.length - 1) / 2;
  const meanY = values.reduce((sum, value) => sum + value, 0) / values.length;
  const above = values.reduce((sum, value, x) => sum + (x - meanX) * (value - meanY), 0);
  return above / values.reduce((sum, _, x) => sum + (x - meanX) ** 2, 0);
}
