import type { AzureGroup } from './azure-file.ts';
import { isPlainSecret, type SecretList } from './inline-secrets.ts';
import { asList, asMembers, isEmpty, isText, type Members, pick, unwrapped, without } from './members.ts';

/** What says only where and what a resource is, or what Azure adds. */
const left = [
  ...[
    'type',
    'apiVersion',
    'id',
    'dependsOn',
    'comments',
    'condition',
    'tags',
    'identity',
    'location',
    'systemData',
    'etag',
  ],
  ...['provisioningState', 'instanceView', 'identityAcls', 'isCustomProvisioningTimeout'],
  ...['isCreatedFromStandbyPool', 'provisioningTimeoutInSeconds'],
];

/** A container group in Azure's words -> a request, in which secrets have names instead of values. */
export function toRequest({ group, isSecret }: AzureGroup, secrets: SecretList): Members {
  const properties = unwrapped(group);
  const rest = without(
    properties,
    ...left,
    ...[
      'containers',
      'initContainers',
      'volumes',
      'imageRegistryCredentials',
      'ipAddress',
      'diagnostics',
      'sku',
    ],
  );
  const convert = (name: string, each: (value: unknown, pointer: string) => Members): Members => {
    const values = asList(pick(properties, name));
    const pointer = `/properties/${name}`;
    return values.length > 0 ? { [name]: values.map((value, at) => each(value, `${pointer}/${at}`)) } : {};
  };
  const container = (value: unknown, pointer: string) => containerOf(value, pointer, { secrets, isSecret });
  const sku = pick(properties, 'sku');
  return {
    ...locationOf(group),
    ...Object.fromEntries(Object.entries(rest).filter(([, value]) => !isEmpty(value))),
    ...convert('containers', container),
    ...convert('initContainers', container),
    ...convert('volumes', (value, pointer) => volumeOf(value, pointer, secrets)),
    ...convert('imageRegistryCredentials', (value, pointer) => credentialOf(value, pointer, secrets)),
    ...identityOf(group, properties),
    ...addressOf(pick(properties, 'ipAddress')),
    ...diagnosticsOf(pick(properties, 'diagnostics'), secrets),
    // All is Standard; any other is refused by its name.
    ...(sku === undefined || /^standard$/i.test(String(sku)) ? {} : { sku }),
    ...labelsOf(pick(group, 'tags')),
  };
}

/** Where the template takes it from the resource group, it is the target's. */
function locationOf(group: Members): Members {
  const location = pick(group, 'location');
  return location === undefined || /^\[\s*resourceGroup\(\)\.location\s*\]$/i.test(String(location))
    ? {}
    : { location };
}

interface Finding {
  secrets: SecretList;
  isSecret: AzureGroup['isSecret'];
}

function containerOf(value: unknown, pointer: string, finding: Finding): Members {
  const container = unwrapped(value);
  const variables = asList(pick(container, 'environmentVariables'));
  const rest = without(container, 'environmentVariables', 'instanceView');
  const place = `${pointer}/properties/environmentVariables`;
  return {
    ...Object.fromEntries(Object.entries(rest).filter(([, each]) => !isEmpty(each))),
    ...(variables.length > 0
      ? {
          environmentVariables: variables.map((each, at) =>
            variableOf(asMembers(each), `${place}/${at}`, finding),
          ),
        }
      : {}),
  };
}

function variableOf(variable: Members, pointer: string, { secrets, isSecret }: Finding): Members {
  const [name, value] = [String(pick(variable, 'name')), pick(variable, 'value')];
  // An export has the names of secure variables, and neither value.
  const isKept = pick(variable, 'secureValue') !== undefined || value === undefined;
  const isPlain = isPlainSecret(name, value) || (isText(value) && isSecret(value));
  if (!isKept && !isPlain)
    return {
      ...variable,
      ...(typeof value === 'number' || typeof value === 'boolean' ? { value: String(value) } : {}),
    };
  const note = isKept ? undefined : 'It stands in the file as a plain value.';
  return {
    ...without(variable, 'name', 'value', 'secureValue'),
    name,
    secretName: secrets.addWorkload(`${pointer}/${isKept ? 'secureValue' : 'value'}`, name, note),
  };
}

function credentialOf(value: unknown, pointer: string, secrets: SecretList): Members {
  const credential = asMembers(value);
  const server = String(pick(credential, 'server') ?? '');
  const identity = pick(credential, 'identity');
  // What else stands there, such as Azure's own references into Key Vault, is refused by its name.
  const rest = without(credential, 'server', 'identity', 'username', 'password');
  if (!isEmpty(identity)) return { server, identity, ...rest };
  const username = pick(credential, 'username');
  const secretName = secrets.addRegistry(
    `${pointer}/password`,
    server,
    isText(username) && username !== '' ? username : undefined,
  );
  return { server, secretName, ...rest };
}

function volumeOf(value: unknown, pointer: string, secrets: SecretList): Members {
  const volume = asMembers(value);
  const name = String(pick(volume, 'name') ?? '');
  const files = asMembers(pick(volume, 'secret'));
  const share = asMembers(pick(volume, 'azureFile'));
  return {
    ...without(volume, 'secret', 'azureFile'),
    ...(isEmpty(files)
      ? {}
      : {
          secret: Object.fromEntries(
            Object.keys(files).map(file => {
              const note = "The file's content: in Azure's form it is base64, in Key Vault it is as it is.";
              return [
                file,
                { secretName: secrets.addWorkload(`${pointer}/secret/${file}`, `${name}-${file}`, note) },
              ];
            }),
          ),
        }),
    ...(isEmpty(share)
      ? {}
      : {
          azureFile: {
            ...without(share, 'storageAccountKey'),
            storageAccountKeySecretName: secrets.addWorkload(
              `${pointer}/azureFile/storageAccountKey`,
              `${String(pick(share, 'storageAccountName') ?? name)}-key`,
            ),
          },
        }),
  };
}

/** Identities that pull are attached by that; the others are the workload's. */
function identityOf(group: Members, properties: Members): Members {
  const identity = asMembers(pick(group, 'identity'));
  const assigned = pick(identity, 'userAssignedIdentities');
  const ids = Array.isArray(assigned) ? assigned.filter(isText) : Object.keys(asMembers(assigned));
  const pulling = asList(pick(properties, 'imageRegistryCredentials')).map(each =>
    String(pick(asMembers(each), 'identity')).toLowerCase(),
  );
  const own = ids.filter(id => !pulling.includes(id.toLowerCase()));
  // The group's own identity has rights that no request gives: it is left for the schema to refuse.
  const system = /system/i.test(String(pick(identity, 'type') ?? '')) ? { type: pick(identity, 'type') } : {};
  if (own.length === 0 && isEmpty(system)) return {};
  return { identity: { ...system, userAssignedIdentities: own } };
}

function addressOf(value: unknown): Members {
  const address = without(asMembers(value), 'ip', 'fqdn');
  return isEmpty(address) ? {} : { ipAddress: address };
}

function diagnosticsOf(value: unknown, secrets: SecretList): Members {
  const analytics = asMembers(pick(asMembers(value), 'logAnalytics'));
  const rest = without(asMembers(value), 'logAnalytics');
  if (isEmpty(analytics)) return isEmpty(rest) ? {} : { diagnostics: rest };
  const pointer = '/properties/diagnostics/logAnalytics/workspaceKey';
  const workspaceKeySecretName = secrets.addWorkload(pointer, 'workspace-key');
  return {
    diagnostics: { ...rest, logAnalytics: { ...without(analytics, 'workspaceKey'), workspaceKeySecretName } },
  };
}

function labelsOf(tags: unknown): Members {
  const labels = Object.entries(asMembers(tags)).filter(
    ([name]) => !name.toLowerCase().startsWith('slipway-'),
  );
  return labels.length > 0
    ? { labels: Object.fromEntries(labels.map(([name, value]) => [name, String(value)])) }
    : {};
}
