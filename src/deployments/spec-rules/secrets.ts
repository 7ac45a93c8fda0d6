import type { EnvironmentVariable } from '../../schemas/container.ts';
import type { DeploymentRequest } from '../../schemas/request.ts';

/** A secret that the workload is given, and where in the request it is named. */
export interface NamedSecret {
  pointer: string;
  secretName: string;
  vault?: string;
}

/** Where the secret of a file of a volume is named. */
export const fileSecret = (volume: number, file: string) => `/volumes/${volume}/secret/${file}/secretName`;
export const accountKey = (volume: number) => `/volumes/${volume}/azureFile/storageAccountKeySecretName`;
/** Azure mounts the share anew with it at every start. */
export const isAccountKey = (pointer: string) => /^\/volumes\/\d+\/azureFile\//.test(pointer);
export const workspaceKey = '/diagnostics/logAnalytics/workspaceKeySecretName';
export const variableSecret = (container: string, variable: number) =>
  `${container}/environmentVariables/${variable}/secretName`;

/** Every secret that a request names for its workload. */
export function secretsOf(spec: DeploymentRequest): NamedSecret[] {
  return [
    ...spec.containers.flatMap((each, index) => ofVariables(each, `/containers/${index}`)),
    ...(spec.initContainers ?? []).flatMap((each, index) => ofVariables(each, `/initContainers/${index}`)),
    ...ofVolumes(spec),
    ...ofDiagnostics(spec),
  ];
}

function ofVariables(
  { environmentVariables = [] }: { environmentVariables?: EnvironmentVariable[] },
  container: string,
): NamedSecret[] {
  return environmentVariables.flatMap(({ secretName, vault }, index) =>
    secretName === undefined ? [] : [named(variableSecret(container, index), secretName, vault)],
  );
}

function ofVolumes({ volumes = [] }: DeploymentRequest): NamedSecret[] {
  return volumes.flatMap(({ secret = {}, azureFile }, index) => [
    ...Object.entries(secret).map(([file, { secretName, vault }]) =>
      named(fileSecret(index, file), secretName, vault),
    ),
    ...(azureFile ? [named(accountKey(index), azureFile.storageAccountKeySecretName, azureFile.vault)] : []),
  ]);
}

function ofDiagnostics({ diagnostics }: DeploymentRequest): NamedSecret[] {
  if (!diagnostics) return [];
  const { workspaceKeySecretName, vault } = diagnostics.logAnalytics;
  return [named(workspaceKey, workspaceKeySecretName, vault)];
}

const named = (pointer: string, secretName: string, vault: string | undefined): NamedSecret => ({
  pointer,
  secretName,
  ...(vault !== undefined ? { vault } : {}),
});
