import { BlockList, isIP } from 'node:net';
import type { NetworkRules } from '../world.ts';
import type { ArmAccess } from './access.ts';
import type { BodyReader } from './body-reader.ts';

/** The header by which one of Azure's own services says which it is, and that it comes with an identity. */
export const askerHeader = 'x-emulator-asker';
export const pullers = {
  plain: 'container-instances',
  trusted: 'container-instances; identity',
} as const;

/** Azure's own services come from addresses that nobody's rules name. */
const platformAddress = '20.42.0.17';

interface Asker {
  address: string;
  trusted: boolean;
}

/** Where a request to a registry or a vault comes from. */
export function askerOf(request: {
  headers: Record<string, string | string[] | undefined>;
  socket: { remoteAddress?: string | undefined };
}): Asker {
  const service = request.headers[askerHeader];
  if (service === pullers.plain || service === pullers.trusted)
    return { address: platformAddress, trusted: service === pullers.trusted };
  const address = (request.socket.remoteAddress ?? '').replace(/^::ffff:/, '');
  return { address, trusted: false };
}

export function admits(
  guarded: {
    publicNetworkAccess?: 'Enabled' | 'Disabled' | undefined;
    rules?: NetworkRules | undefined;
    bypass?: 'AzureServices' | 'None' | undefined;
  },
  { address, trusted }: Asker,
): boolean {
  const { publicNetworkAccess = 'Enabled', rules, bypass = 'AzureServices' } = guarded;
  if (trusted && bypass === 'AzureServices') return true;
  if (publicNetworkAccess === 'Disabled') return false;
  return rules?.defaultAction !== 'Deny' || isListed(rules, address);
}

function isListed({ ipRules }: NetworkRules, address: string): boolean {
  const listed = new BlockList();
  for (const { value } of ipRules) {
    const [network = '', bits] = value.split('/');
    if (bits === undefined) listed.addAddress(network);
    else listed.addSubnet(network, Number(bits));
  }
  return isIP(address) === 4 && listed.check(address);
}

/** `{defaultAction, ipRules: [{value}]}`; undefined where nothing is said. */
export function readNetworkRules(
  properties: BodyReader,
  name: string,
  arms: ArmAccess,
): NetworkRules | undefined {
  const rules = properties.object(name);
  const defaultAction = rules.oneOf('defaultAction', ['Allow', 'Deny']);
  if (defaultAction === undefined) return undefined;
  const ipRules = (rules.list('ipRules') ?? []).map(each => ({ value: each.text('value') ?? '' }));
  const wrong = ipRules.find(({ value }) => !isNetwork(value));
  if (wrong)
    throw arms.error(
      400,
      'InvalidNetworkRule',
      `The IP rule '${wrong.value}' is not a public IPv4 address or CIDR range.`,
    );
  return { defaultAction, ipRules };
}

function isNetwork(value: string): boolean {
  const [, network = '', bits = '32'] = /^([0-9.]+)(?:\/(\d{1,2}))?$/.exec(value) ?? [];
  return isIP(network) === 4 && Number(bits) <= 32;
}
