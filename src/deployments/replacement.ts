import { isDeepStrictEqual } from 'node:util';
import type { Spec } from './spec.ts';

type Part = (spec: Spec) => unknown;

/** What ACI changes in a group only by making it anew: its own refusal names these. Each with its place in the request. */
const fixed: readonly [pointer: string, part: Part][] = [
  ['/location', ({ location = '' }) => location.toLowerCase().replaceAll(' ', '')],
  ['/osType', ({ osType = 'Linux' }) => osType],
  ['/restartPolicy', ({ restartPolicy = 'Always' }) => restartPolicy],
  ['/subnetIds', ({ subnetIds = [] }) => subnetIds.map(({ id, name = null }) => [id.toLowerCase(), name])],
  ['/priority', ({ priority = 'Regular' }) => priority],
  ['/zones', ({ zones = [] }) => zones],
  ['/containers', ({ containers }) => containers.map(({ name }) => name)],
  ['/containers/*/resources', ({ containers }) => containers.map(({ resources }) => plain(resources))],
];

/** Without members that are undefined. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value ?? null));

/** The places where the new spec asks for what Azure cannot change in place; none where it can. Pure. */
export function needsReplacement(live: Spec, wanted: Spec): string[] {
  return fixed.flatMap(([pointer, part]) => (isDeepStrictEqual(part(live), part(wanted)) ? [] : [pointer]));
}
