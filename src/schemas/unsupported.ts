/** What a container group can have in ACI, and a request cannot: refused by name. */
export const unsupportedProperties: ReadonlySet<string> = new Set([
  'sku',
  'gpu',
  'gitRepo',
  'configMap',
  'extensions',
  'encryptionProperties',
  'confidentialComputeProperties',
  'containerGroupProfile',
  'standbyPoolProfile',
  'networkProfile',
  'dnsNameLabelReusePolicy',
  'identityUrl',
  'secretReferences',
  'passwordReference',
  'secureValueReference',
  'storageAccountKeyReference',
  'secretReference',
  'userAssignedIdentityClientId',
]);

/** Values that stay in Key Vault, by the property that names their secret instead. */
const secretValues: Readonly<Record<string, string>> = {
  secureValue: 'secretName',
  storageAccountKey: 'storageAccountKeySecretName',
  workspaceKey: 'workspaceKeySecretName',
};

/** Why a property is not taken. */
export function whyUnknown(name: string): string {
  const reference = Object.hasOwn(secretValues, name) ? secretValues[name] : undefined;
  if (reference) return `is a secret: store it in Key Vault and name it with ${reference}`;
  if (unsupportedProperties.has(name)) return 'is a property of ACI that Slipway does not support yet';
  if (name === 'properties') return "is left out here: what ACI's wrapper holds stands one level up";
  return 'is not known here';
}
