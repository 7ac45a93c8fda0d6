import type { GroupBody } from './vector-world.ts';

interface Exchange {
  method: string;
  path: string;
  requestBody: GroupBody | null;
  at: string | null;
  responseBody: Record<string, unknown>;
  headers: Record<string, string>;
}

type InstanceView = { state?: string; events?: object[] };

/** How a body says that a group stands: as a step of a life that may be prescribed. */
export function lifeOf({ properties }: GroupBody, names: readonly string[] = []): object {
  const view: InstanceView = properties?.instanceView ?? {};
  return {
    ...(properties?.provisioningState ? { provisioningState: properties.provisioningState } : {}),
    ...view,
    containers: (properties?.containers ?? []).flatMap(
      ({ name, properties: { image: _, ...more } }, index) => {
        const instanceView: object | undefined =
          'instanceView' in more ? Object(more.instanceView) : undefined;
        return instanceView ? [{ name: names[index] ?? name, ...instanceView }] : [];
      },
    ),
  };
}

/** The life that the group put by the exchange at `index` was seen to have; nothing happens between two looks. */
export function lifeRecorded(exchanges: readonly Exchange[], index: number): object {
  const put = exchanges[index];
  const operation = new URL(put?.headers['azure-asyncoperation'] ?? 'https://none').pathname;
  // A group out of a pool answers the names of its profile.
  const names = (put?.requestBody?.properties?.containers ?? []).map(({ name }) => name);
  let afterMs = 0;
  const steps = exchanges.slice(index).flatMap((each, later) => {
    const before = exchanges[index + later - 1];
    if (later > 0) afterMs += each.at && before?.at ? Date.parse(each.at) - Date.parse(before.at) : 30_000;
    if (each.path === operation)
      return [{ afterMs, provisioningState: String(each.responseBody.status), events: [] }];
    const isGroup = each.path.toLowerCase() === put?.path.toLowerCase() && each.method !== 'DELETE';
    return isGroup ? [{ afterMs, ...lifeOf(each.responseBody, names) }] : [];
  });
  return { group: put?.path.split('/').at(-1), steps };
}
