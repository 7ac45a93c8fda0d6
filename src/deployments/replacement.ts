import { isDeepStrictEqual } from 'node:util';

/**
 * What ACI changes in a group only by making it anew: its own refusal and its documentation name these, but for the
 * priority, which is a property of where it runs, and the workspace of its logs (reported). A spec has them all.
 */
export interface Fixed {
  location?: string;
  osType?: string;
  restartPolicy?: string;
  subnetIds?: readonly { id: string; name?: string }[];
  zones?: readonly string[];
  priority?: string;
  diagnostics?: { logAnalytics: { workspaceId: string } };
  containers: readonly { name?: string; resources?: unknown }[];
}

type Part = (spec: Fixed) => unknown;

/** Each with its place in the request. Containers count in their order. */
const fixed: readonly [pointer: string, part: Part][] = [
  ['/location', ({ location = '' }) => location.toLowerCase().replaceAll(' ', '')],
  ['/osType', ({ osType = 'Linux' }) => osType.toLowerCase()],
  ['/restartPolicy', ({ restartPolicy = 'Always' }) => restartPolicy.toLowerCase()],
  ['/subnetIds', ({ subnetIds = [] }) => subnetIds.map(({ id, name = null }) => [id.toLowerCase(), name])],
  ['/zones', ({ zones = [] }) => zones],
  ['/priority', ({ priority = 'Regular' }) => priority.toLowerCase()],
  ['/diagnostics', ({ diagnostics }) => diagnostics?.logAnalytics.workspaceId.toLowerCase()],
  ['/containers', ({ containers }) => containers.map(({ name }) => name)],
  ['/containers/*/resources', ({ containers }) => containers.map(({ resources }) => plain(resources))],
];

/** Without members that are undefined. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value ?? null));

/** The places where what is wanted cannot be made of what is live in place; none where it can. Pure. */
export function needsReplacement(live: Fixed, wanted: Fixed): string[] {
  return fixed.flatMap(([pointer, part]) => (isDeepStrictEqual(part(live), part(wanted)) ? [] : [pointer]));
}
