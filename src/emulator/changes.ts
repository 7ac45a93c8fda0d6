import { createHash } from 'node:crypto';
import type { World, WorldMap } from './world.ts';

/** One entry of one of the world's maps as it is now; `null` where it is gone. */
export type Change = [map: WorldMap, key: string, entry: unknown];

export interface Changes {
  /** One entry changed; without arguments anything may have. */
  note(map?: WorldMap, key?: string): void;
  /** What differs from what was taken before; the caller keeps it. */
  take(): Change[];
  /** Everything is kept as it is now: by a copy of the whole world. */
  takeAll(): World;
}

/** Finds out what changed in a world whose owners write to it freely: named entries at once, others by comparing. */
export function trackChanges(world: World): Changes {
  const kept = new Map<string, string>();
  const named = new Map<string, [WorldMap, string]>();
  let anything = false;

  function take(): Change[] {
    const changes = anything ? compareAll() : [...named.values()].flatMap(each => compare(...each));
    anything = false;
    named.clear();
    return changes;
  }

  function compareAll(): Change[] {
    const gone = [...kept.keys()].map(split).filter(([map, key]) => !Object.hasOwn(world[map], key));
    const there = mapsOf(world).flatMap(map => Object.keys(world[map]).map((key): Place => [map, key]));
    return [...gone, ...there].flatMap(each => compare(...each));
  }

  function compare(map: WorldMap, key: string): Change[] {
    const place = join(map, key);
    const entry: unknown = Object.hasOwn(world[map], key) ? strip(map, world[map][key]) : null;
    const digest = entry === null ? undefined : digestOf(entry);
    if (kept.get(place) === digest) return [];
    if (digest === undefined) kept.delete(place);
    else kept.set(place, digest);
    return [[map, key, entry]];
  }

  return {
    take,
    note(map, key) {
      if (map === undefined || key === undefined) anything = true;
      else named.set(join(map, key), [map, key]);
    },
    takeAll() {
      anything = true;
      take();
      const maps = mapsOf(world).map(map => [
        map,
        Object.fromEntries(Object.entries(world[map]).map(([key, entry]) => [key, strip(map, entry)])),
      ]);
      return { ...world, ...Object.fromEntries(maps) };
    },
  };
}

type Place = [map: WorldMap, key: string];

const join = (map: WorldMap, key: string) => `${map} ${key}`;

function split(place: string): Place {
  const space = place.indexOf(' ');
  return [place.slice(0, space) as WorldMap, place.slice(space + 1)];
}

const mapsOf = (world: World) => Object.keys(world).filter((name): name is WorldMap => name !== 'tenantId');

const digestOf = (entry: unknown) => createHash('sha1').update(JSON.stringify(entry)).digest('base64');

/** Blobs are large and never change: they are kept by themselves, here only their names. */
function strip(map: WorldMap, entry: unknown): unknown {
  return map === 'registries' ? JSON.parse(JSON.stringify(entry, withoutBlobs)) : entry;
}

function withoutBlobs(key: string, value: unknown): unknown {
  if (key !== 'blobs' || typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.keys(value).map(digest => [digest, '']));
}
