import type { ErrorDetail } from '../../errors.ts';
import type { Container, EnvironmentVariable, Probe, VolumeMount } from '../../schemas/container.ts';
import type { DeploymentRequest } from '../../schemas/request.ts';

/** What is wrong with containers and init containers, each by itself and with each other. */
export function* containerErrors(spec: DeploymentRequest): Generator<ErrorDetail> {
  yield* nameErrors(spec);
  const volumes = new Set((spec.volumes ?? []).map(({ name }) => name));
  for (const [index, container] of spec.containers.entries()) {
    const pointer = `/containers/${index}`;
    yield* variableErrors(container, pointer);
    yield* mountErrors(container, pointer, volumes);
    yield* limitErrors(container, pointer);
    yield* probeErrors(container.livenessProbe, `${pointer}/livenessProbe`);
    yield* probeErrors(container.readinessProbe, `${pointer}/readinessProbe`);
  }
  for (const [index, container] of (spec.initContainers ?? []).entries()) {
    const pointer = `/initContainers/${index}`;
    yield* variableErrors(container, pointer);
    yield* mountErrors(container, pointer, volumes);
  }
}

export const mostContainers = 60;

function* nameErrors({ containers, initContainers = [] }: DeploymentRequest): Generator<ErrorDetail> {
  const places: [string, string | undefined][] = [
    ...containers.map(({ name }, index): [string, string | undefined] => [`/containers/${index}/name`, name]),
    ...initContainers.map(({ name }, index): [string, string] => [`/initContainers/${index}/name`, name]),
  ];
  const names = new Set<string>();
  for (const [pointer, name] of places) {
    if (name === undefined) yield { pointer, detail: 'is missing' };
    else if (names.has(name)) yield { pointer, detail: 'is used twice' };
    else names.add(name);
  }
  if (places.length > mostContainers)
    yield {
      pointer: '/initContainers',
      detail: `a group has at most ${mostContainers} containers, init containers included`,
    };
}

function* variableErrors(
  { environmentVariables = [] }: { environmentVariables?: EnvironmentVariable[] },
  container: string,
): Generator<ErrorDetail> {
  const names = new Set<string>();
  for (const [index, variable] of environmentVariables.entries()) {
    const pointer = `${container}/environmentVariables/${index}`;
    if (names.has(variable.name)) yield { pointer: `${pointer}/name`, detail: 'is used twice' };
    names.add(variable.name);
    if ((variable.value === undefined) === (variable.secretName === undefined))
      yield { pointer, detail: 'needs exactly one of value and secretName' };
    if (variable.vault !== undefined && variable.secretName === undefined)
      yield { pointer: `${pointer}/vault`, detail: 'goes with secretName only' };
  }
}

function* mountErrors(
  { volumeMounts = [] }: { volumeMounts?: VolumeMount[] },
  container: string,
  volumes: ReadonlySet<string>,
): Generator<ErrorDetail> {
  const paths = new Set<string>();
  for (const [index, { name, mountPath }] of volumeMounts.entries()) {
    const pointer = `${container}/volumeMounts/${index}`;
    if (!volumes.has(name)) yield { pointer: `${pointer}/name`, detail: 'names none of volumes' };
    const path = mountPath.replace(/\/+$/, '');
    if (paths.has(path)) yield { pointer: `${pointer}/mountPath`, detail: 'is used twice' };
    paths.add(path);
  }
}

function* limitErrors({ resources }: Container, container: string): Generator<ErrorDetail> {
  const { requests, limits = {} } = resources ?? {};
  if (!requests) return;
  for (const amount of ['cpu', 'memoryInGB'] as const)
    if ((limits[amount] ?? Number.POSITIVE_INFINITY) < requests[amount])
      yield { pointer: `${container}/resources/limits/${amount}`, detail: 'is less than what is requested' };
}

function* probeErrors(probe: Probe | undefined, pointer: string): Generator<ErrorDetail> {
  if (probe && (probe.exec === undefined) === (probe.httpGet === undefined))
    yield { pointer, detail: 'needs exactly one of exec and httpGet' };
}
