import { BlockList, isIP, isIPv4 } from 'node:net';

/** Everything that no public service has: this machine, its network, the metadata service, what is set aside. */
const notPublic = blockListOf([
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/3',
  // Azure's own services for its machines.
  '168.63.129.16/32',
]);

/** In IPv6 all that is public is in here; the rest holds IPv4 in many spellings. */
const publicIpv6 = blockListOf(['2000::/3']);
const notPublicIpv6 = blockListOf(['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20']);

/** Whether an address, in the form that a resolver or a URL gives, is one of the public internet. */
export function isPublicAddress(address: string): boolean {
  if (isIPv4(address)) return !notPublic.check(address);
  return publicIpv6.check(address, 'ipv6') && !notPublicIpv6.check(address, 'ipv6');
}

/** Whether an address lies in one of the networks. */
export function liesIn(networks: readonly string[], address: string): boolean {
  return blockListOf(networks).check(address, isIPv4(address) ? 'ipv4' : 'ipv6');
}

/** `10.1.0.0/16`, `fd00::/8`, or one address. */
export function isNetwork(text: string): boolean {
  return readNetwork(text) !== null;
}

function blockListOf(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const found = readNetwork(network);
    if (found) list.addSubnet(found.address, found.prefix, found.family);
  }
  return list;
}

function readNetwork(text: string): { address: string; prefix: number; family: 'ipv4' | 'ipv6' } | null {
  const [, address = '', bits] = /^([0-9a-fA-F.:]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const version = isIP(address);
  const longest = version === 4 ? 32 : 128;
  const prefix = bits === undefined ? longest : Number(bits);
  if (version === 0 || prefix > longest) return null;
  return { address, prefix, family: version === 4 ? 'ipv4' : 'ipv6' };
}
