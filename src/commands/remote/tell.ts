import type { Deployment, Failure, Problem } from '../../client/api.ts';
import { annotation, printable } from './printable.ts';

type Env = Record<string, string | undefined>;

/** What is told of a refusal, wherever it comes from. */
interface Refusal {
  code: string;
  message: string;
  problem?: Partial<Problem>;
  requestId?: string | null;
}

/** The answer goes to standard output, what is said along the way to standard error. */
export function tellProblem(refusal: Refusal, output: 'text' | 'json', env: Env): void {
  const { code, message, problem, requestId } = refusal;
  if (output === 'json') console.log(JSON.stringify(problem ?? { code, detail: message }, null, 2));
  const failure = problem?.failure;
  const lines = [
    ...(failure ? failureLines(failure) : [`${code}: ${printable(message)}`]),
    ...(problem?.errors ?? [])
      .slice(problem?.errors?.length === 1 ? 1 : 0)
      .map(({ pointer, detail }) => `  ${printable(`${pointer || '/'}: ${detail}`)}`),
    ...(problem?.deployment ? [`  record    ${printable(problem.deployment)}`] : []),
    ...(problem?.runUrl ? [`  held by   ${printable(problem.runUrl)}`] : []),
    ...(requestId ? [`  request   ${printable(requestId)}`] : []),
  ];
  tellLines(failure?.code ?? code, lines, env);
}

export function tellFailure(failure: Failure, env: Env): void {
  tellLines(failure.code, failureLines(failure), env);
}

function tellLines(title: string, lines: string[], env: Env): void {
  console.error(lines.join('\n'));
  if (env.GITHUB_ACTIONS === 'true') console.error(annotation(`Slipway: ${title}`, lines.join('\n')));
}

function failureLines(failure: Failure): string[] {
  const { code, detail, evidence = [], fixes = [] } = failure;
  return [
    `${code}: ${printable(detail)}`,
    ...evidence.map(({ step, host, status, registryCode, code: other, message }) => {
      const words = [step, host, status, registryCode, other, message].filter(word => word !== undefined);
      return `  evidence  ${printable(words.join(' '))}`;
    }),
    ...fixes.flatMap(({ who, action, command }) => [
      `  fix       ${printable(action)} (${who})`,
      ...(command ? [`            ${printable(command)}`] : []),
    ]),
  ];
}

/** One deployment in a few lines. */
export function deploymentLines(deployment: Deployment): string[] {
  const { id, target, name, status, revision, liveRevision, health, waitingFor, containerGroup } = deployment;
  const { ip, fqdn } = containerGroup?.ipAddress ?? {};
  const live =
    liveRevision === revision ? 'live' : liveRevision === null ? 'none live' : `${liveRevision} is live`;
  return [
    `${target}:${name}  ${status}  ${health}`,
    `  id        ${id}`,
    `  revision  ${revision} (${live})`,
    ...(waitingFor ? [`  waits for ${printable(waitingFor.reason)} since ${waitingFor.since}`] : []),
    ...(ip || fqdn ? [`  address   ${[fqdn, ip].filter(Boolean).join('  ')}`] : []),
    ...deployment.images.map(
      ({ container, requested, digest }) =>
        `  image     ${printable(`${container}  ${requested}${digest ? `  ${digest}` : ''}`)}`,
    ),
    ...(containerGroup?.containers ?? []).map(({ name: container, state, restartCount, exitCode }) => {
      const exit = exitCode === null ? '' : `, exit code ${exitCode}`;
      return `  container ${printable(`${container}  ${state ?? 'unknown'}, ${restartCount} restarts${exit}`)}`;
    }),
  ];
}
