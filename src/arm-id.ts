/** The parts of `/subscriptions/S/resourceGroups/G/providers/NAMESPACE/TYPE/NAME`. */
export interface ArmId {
  subscription: string;
  resourceGroup: string;
  /** `Microsoft.ManagedIdentity/userAssignedIdentities` */
  type: string;
  name: string;
}

const form =
  /^\/subscriptions\/([0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})\/resourcegroups\/([\w()-](?:[\w.()-]{0,88}[\w()-])?)\/providers\/([a-z]+(?:\.[a-z]+)+)\/([a-z]+)\/([a-z0-9][a-z0-9_-]{0,127})$/i;

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

const subnetForm = /^(.{1,400})\/subnets\/([a-z0-9](?:[\w.-]{0,78}[\w])?)$/i;
const networkType = 'Microsoft.Network/virtualNetworks';

/** Null where the text is not the id of one subnet. */
export function parseSubnetId(text: string): SubnetId | null {
  const [, parent = '', name] = subnetForm.exec(text) ?? [];
  const network = parseArmId(parent);
  if (!name || network?.type.toLowerCase() !== networkType.toLowerCase()) return null;
  return { network: { ...network, type: networkType }, name };
}

export function formatSubnetId({ network, name }: SubnetId): string {
  return `${formatArmId(network)}/subnets/${name}`;
}
