import type { DeploymentRow } from '../store/deployments.ts';
import { placeOf, type StageParts } from './stages/stage.ts';

const lastLines = 200;
const mostCharacters = 64 * 1024;

/** Puts the last lines of every container on record: Azure keeps none of a group that is taken away. May be done twice. */
export async function keepLogs(
  row: DeploymentRow,
  { containerGroups, savedLogs, clock }: Pick<StageParts, 'containerGroups' | 'savedLogs' | 'clock'>,
  signal: AbortSignal,
): Promise<void> {
  const names = [...(row.spec.initContainers ?? []), ...row.spec.containers].map(({ name }) => name ?? '');
  const logs = names.map(async container => {
    const options = { tail: lastLines, timestamps: true, signal };
    // One that never started has no log.
    const content = await containerGroups.logs(placeOf(row), container, options).catch(() => '');
    return { container, content: content.slice(-mostCharacters) };
  });
  const written = (await Promise.all(logs)).filter(({ content }) => content !== '');
  await savedLogs.save(row, written, clock.now());
}
