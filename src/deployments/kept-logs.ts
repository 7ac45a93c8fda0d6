import type { ContainerGroupState } from '../azure/container-groups.ts';
import type { DeploymentRow } from '../store/deployments.ts';
import { everyContainer } from './observe.ts';
import { placeOf, type StageParts } from './stages/stage.ts';

const lastLines = 200;
const mostCharacters = 64 * 1024;
/** Logs are the lesser good: what takes the group away does not wait longer for them. */
const longestMs = 5_000;

/**
 * Puts the last lines of every container that has run on record, before its group is taken away: Azure keeps none without
 * it. May be done twice.
 */
export async function keepLogs(
  row: DeploymentRow,
  group: ContainerGroupState | null,
  { containerGroups, savedLogs, clock }: Pick<StageParts, 'containerGroups' | 'savedLogs' | 'clock'>,
  signal: AbortSignal,
): Promise<void> {
  const options = {
    tail: lastLines,
    timestamps: true,
    signal: AbortSignal.any([signal, AbortSignal.timeout(longestMs)]),
  };
  const logs = startedIn(group).map(async container => {
    const content = await containerGroups.logs(placeOf(row), container, options).catch(() => '');
    return { container, content: content.slice(-mostCharacters) };
  });
  const written = (await Promise.all(logs)).filter(({ content }) => content !== '');
  await savedLogs.save(row, written, clock.now());
}

const startedIn = (group: ContainerGroupState | null): string[] =>
  group === null
    ? []
    : everyContainer(group)
        .filter(({ state, previousState }) => previousState || (state && state !== 'Waiting'))
        .map(({ name }) => name);
