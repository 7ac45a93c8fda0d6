import type { ErrorDetail } from '../../errors.ts';
import type { DeploymentRequest } from '../../schemas/request.ts';

const kinds = ['emptyDir', 'secret', 'azureFile'] as const;

export function* volumeErrors({ volumes = [] }: DeploymentRequest): Generator<ErrorDetail> {
  const names = new Set<string>();
  for (const [index, volume] of volumes.entries()) {
    const pointer = `/volumes/${index}`;
    if (names.has(volume.name)) yield { pointer: `${pointer}/name`, detail: 'is used twice' };
    names.add(volume.name);
    if (kinds.filter(kind => volume[kind] !== undefined).length !== 1)
      yield { pointer, detail: `needs exactly one of ${kinds.join(', ')}` };
  }
}
