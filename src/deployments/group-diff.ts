import type { Difference } from '../schemas/deployment.ts';
import type { Shape } from './group-shape.ts';

/** What differs, field by field. Pure. */
export function differences(live: Shape, wanted: Shape, path = ''): Difference[] {
  const names = [...new Set([...Object.keys(live), ...Object.keys(wanted)])].sort();
  return names.flatMap(name => compare(live[name], wanted[name], `${path}/${name.replaceAll('/', '~1')}`));
}

function compare(
  live: Shape | string | undefined,
  wanted: Shape | string | undefined,
  path: string,
): Difference[] {
  if (live === wanted) return [];
  if (typeof live !== 'string' && typeof wanted !== 'string')
    return differences(live ?? {}, wanted ?? {}, path);
  return [
    {
      path,
      ...(live === undefined ? {} : { live }),
      ...(wanted === undefined ? {} : { wanted }),
    },
  ];
}
