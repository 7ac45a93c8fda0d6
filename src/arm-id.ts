/** The parts of `/subscriptions/S/resourceGroups/G/providers/NAMESPACE/TYPE/NAME`. */
export interface ArmId {
  subscription: string;
  resourceGroup: string;
  /** `Microsoft.ManagedIdentity/userAssignedIdentities` */
  type: string;
  name: string;
}

const group =
  '/subscriptions/([0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})/resourcegroups/([\\w()-](?:[\\w.()-]{0,88}[\\w()-])?)/providers';
const form = new RegExp(`^${group}/([a-z]+(?:\\.[a-z]+)+)/([a-z]+)/([a-z0-9][a-z0-9_-]{0,127})$`, 'i');

/** Null where the text is not the id of one top-level resource. No dot segment, escape or further segment passes. */
export function parseArmId(text: string): ArmId | null {
  const [, subscription, resourceGroup, namespace, type, name] = form.exec(text) ?? [];
  if (!subscription || !resourceGroup || !namespace || !type || !name) return null;
  return { subscription, resourceGroup, type: `${namespace}/${type}`, name };
}

export function formatArmId({ subscription, resourceGroup, type, name }: ArmId): string {
  return `/subscriptions/${subscription}/resourceGroups/${resourceGroup}/providers/${type}/${name}`;
}

/** Azure compares ids without case: so do we, on ids made anew from their parts. */
export function sameArmId(left: string, right: string): boolean {
  const a = parseArmId(left);
  const b = parseArmId(right);
  return a !== null && b !== null && formatArmId(a).toLowerCase() === formatArmId(b).toLowerCase();
}

/** The parts of the id of a subnet, which is below a virtual network. */
export interface SubnetId {
  network: ArmId;
  name: string;
}

const networkType = 'Microsoft.Network/virtualNetworks';
// Names of networks may have dots inside, not at an end.
const networkName = '([a-z0-9](?:[\\w.-]{0,78}\\w)?)';
const subnetForm = new RegExp(
  `^${group}/microsoft\\.network/virtualnetworks/${networkName}/subnets/${networkName}$`,
  'i',
);

/** Null where the text is not the id of one subnet. */
export function parseSubnetId(text: string): SubnetId | null {
  const [, subscription, resourceGroup, network, name] = subnetForm.exec(text) ?? [];
  if (!subscription || !resourceGroup || !network || !name) return null;
  return { network: { subscription, resourceGroup, type: networkType, name: network }, name };
}

export function formatSubnetId({ network, name }: SubnetId): string {
  return `${formatArmId(network)}/subnets/${name}`;
}
