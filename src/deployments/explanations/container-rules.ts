import type { Signs } from '../observation.ts';
import { all, any, coded, exits, from, not, type Rule, says, uncertain } from './rule.ts';

const killed = exits(code => code === 137);
const lastWords =
  (pattern: RegExp) =>
  ({ observation }: Signs) =>
    observation.kind === 'container' && pattern.test(observation.lastLog ?? '');

/** How a container ends, or does not come to start. */
export const containerRules: readonly Rule[] = [
  // Azure's own maintenance ended it (documented).
  { code: 'Unknown', when: exits(code => code === 7147 || code === 7148), but: { retryable: true } },
  {
    code: 'PlatformMismatch',
    when: any(says(/exec format error/i), lastWords(/exec format error/i)),
  },
  { code: 'ContainerOutOfMemory', when: says(/OOMKilled|out of memory/i) },
  {
    code: 'ProbeFailed',
    when: says(
      /(?:liveness|readiness|startup) probe (?:failed|errored)|failed (?:liveness|readiness|startup) probe/i,
    ),
  },
  // Who stops a container by force leaves the same exit code (measured).
  { code: 'ContainerOutOfMemory', when: killed, but: uncertain },
  {
    code: 'MountFailed',
    when: any(
      coded('CannotAccessStorageAccount'),
      says(/FailedMount|mount error|MountVolume|(?:failed|unable) to (?:mount|attach)/i),
    ),
  },
  {
    code: 'ContainerCrashed',
    when: any(
      from('container'),
      exits(code => code !== 0),
      all(
        not(from('registry')),
        says(
          /Back-off restarting failed|CrashLoopBackOff|Failed to (?:start|create) container\b|failed to create shim task|OCI runtime|executable file not found|RunContainerError|ContainerCannotRun/i,
        ),
      ),
    ),
  },
];
