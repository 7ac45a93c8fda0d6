import type { ContainerGroupState } from '../azure/container-groups.ts';
import type { JobResult } from '../schemas/deployment.ts';
import type { DeploymentRow } from '../store/deployments.ts';
import { placeOf, type StageParts } from './stages/stage.ts';

/** It is to end by itself. */
export const isJob = ({ spec: { restartPolicy = 'Always' } }: Pick<DeploymentRow, 'spec'>): boolean =>
  restartPolicy !== 'Always';

const lastLines = 20;

/** What a job came to: exit codes and last lines; null of what is no job. */
export async function resultOf(
  group: ContainerGroupState,
  row: DeploymentRow,
  parts: Pick<StageParts, 'containerGroups'>,
  signal: AbortSignal,
): Promise<JobResult | null> {
  if (!isJob(row)) return null;
  const containers = group.containers.map(async ({ name, exitCode, previousState }) => ({
    name,
    exitCode: exitCode ?? previousState?.exitCode ?? null,
    log: (await lastLinesOf(row, name, parts, signal)).split('\n').filter(line => line !== ''),
  }));
  return { containers: await Promise.all(containers) };
}

/** A container that never started has no log; then there is nothing to tell. */
export async function lastLinesOf(
  row: DeploymentRow,
  container: string,
  { containerGroups }: Pick<StageParts, 'containerGroups'>,
  signal: AbortSignal,
): Promise<string> {
  try {
    return await containerGroups.logs(placeOf(row), container, { tail: lastLines, signal });
  } catch {
    return '';
  }
}
