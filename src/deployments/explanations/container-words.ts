import { command } from '../command.ts';
import { fix } from '../failure.ts';
import type { Observation } from '../observation.ts';
import type { Words } from './advice.ts';

/** Containers: how they end, and what keeps them from starting. */
export const containerWords: Words = {
  ContainerCrashed: (names, { observation }) =>
    observation.kind === 'container' && observation.exitCode === 0
      ? {
          detail: `A container of '${names.group}' ends by itself with exit code 0, and restartPolicy ${observation.restartPolicy} starts it again and again.${lastWords(observation)}`,
          fixes: [
            fix(
              'caller',
              'For a job, set restartPolicy to OnFailure or Never; else keep the process in the foreground',
            ),
          ],
        }
      : {
          detail:
            observation.kind === 'container'
              ? `A container of '${names.group}' ended with ${exit(observation)}.${lastWords(observation)}`
              : names.said,
          fixes: [
            fix(
              'caller',
              'Run the image by hand with the same command and environment',
              command`docker run --rm ${names.image}`,
            ),
            fix(
              'caller',
              'Read its log',
              command`az container logs --resource-group ${names.resourceGroup} --name ${names.group}`,
            ),
          ],
        },
  ContainerOutOfMemory: (names, { observation }) => ({
    detail: `A container of '${names.group}' was ended by force${/OOM/.test('detailStatus' in observation ? (observation.detailStatus ?? '') : '') ? ' because it used more memory than it asked for' : ' (exit code 137), as it is when it uses more memory than it asked for'}.`,
    fixes: [fix('caller', 'Raise resources.requests.memoryInGB of the container')],
    causes: ['the container used more memory than it asked for', 'a liveness probe or a person ended it'],
  }),
  ProbeFailed: () => ({
    fixes: [fix('caller', 'Correct the probe, or give the container longer to start (initialDelaySeconds)')],
  }),
  MountFailed: names => ({
    detail: `A volume of '${names.group}' could not be mounted: ${names.said}`,
    fixes: [fix('caller', 'Check share, account and key of the volume')],
  }),
};

type Ended = Observation & { kind: 'container' };

/** Exit codes that shells and kernels give everywhere. */
const meanings: Readonly<Record<number, string>> = {
  126: 'its command cannot be executed',
  127: 'its command was not found',
  134: 'it aborted',
  139: 'it broke by a bad memory access',
  143: 'it was asked to end',
};

function exit({ exitCode, detailStatus }: Ended): string {
  const meaning = exitCode === null ? undefined : meanings[exitCode];
  const more = [meaning, detailStatus].filter(Boolean).join('; ');
  return `exit code ${exitCode ?? 'unknown'}${more ? ` (${more})` : ''}`;
}

function lastWords({ lastLog = '' }: Ended): string {
  const lines = lastLog.trim().split('\n').slice(-5).join(' | ');
  return lines === '' ? '' : ` Its last words: ${lines.slice(-1000)}`;
}
