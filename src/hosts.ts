import { type LookupAddress, lookup as resolveName } from 'node:dns';
import { readFileSync } from 'node:fs';
import { isIP, type LookupFunction } from 'node:net';
import { getCACertificates } from 'node:tls';
import { Agent, buildConnector } from 'undici';
import { isPublicAddress, liesIn } from './addresses.ts';

/** Where hosts live: `*.vault.azure.net=127.0.0.1:8443` and the like. `*=none`: no other host exists. */
export interface HostTable {
  entries: { pattern: string; hostname: string; port: number }[];
  closed: boolean;
}

/** Reads `SLIPWAY_HOSTS`: entries apart by commas or blanks. Throws a sentence that names the entry. */
export function parseHostTable(text: string): HostTable {
  const table: HostTable = { entries: [], closed: false };
  for (const entry of text.split(/[\s,]+/).filter(Boolean)) {
    if (entry === '*=none') table.closed = true;
    else table.entries.push(parseEntry(entry));
  }
  return table;
}

const entryForm = /^((?:\*\.)?[a-z0-9.-]+(?::\d+)?)=([a-zA-Z0-9.-]+|\[[0-9a-f:]+\]):(\d{1,5})$/;

function parseEntry(entry: string): HostTable['entries'][number] {
  const [, pattern, hostname, port] = entryForm.exec(entry) ?? [];
  if (!pattern || !hostname || !port || Number(port) > 65535)
    throw new Error(
      `'${entry}' is not of the form HOST=ADDRESS:PORT (HOST may be *.example.com), nor *=none`,
    );
  return { pattern, hostname: hostname.replace(/^\[|\]$/g, ''), port: Number(port) };
}

/** Where a host is reached, or null where the table says that it does not exist. */
export function locate(
  table: HostTable,
  hostname: string,
  port: number,
): { hostname: string; port: number } | null {
  const names = [`${hostname.toLowerCase()}:${port}`, hostname.toLowerCase()];
  const entry = table.entries.find(({ pattern }) => names.some(name => matches(pattern, name)));
  if (entry) return { hostname: entry.hostname, port: entry.port };
  return table.closed ? null : { hostname, port };
}

function matches(pattern: string, name: string): boolean {
  return pattern.startsWith('*.')
    ? name.endsWith(pattern.slice(1)) && name.length > pattern.length - 1
    : pattern === name;
}

/** What is let through to one host. */
export interface Gate {
  /** Networks in which it may be, beside the public internet. */
  addresses?: readonly string[];
  /** Certificates that are trusted for it, beside the usual ones, in PEM form. */
  ca?: string;
}

export interface DispatcherOptions {
  table: HostTable;
  ca?: string;
  connectTimeoutMs?: number;
  /** With it only public addresses are connected to, but for what the gate of `HOST[:PORT]` lets through. */
  gateOf?: (host: string) => Gate;
  /** As `dns.lookup`, which it is in place of. */
  lookup?: typeof resolveName;
}

/**
 * The door to the network: Azure, registries and signing keys are asked through it. Addresses, certificates and `Host`
 * headers stay those of the real names, so nothing that asks knows whether a table stands between. Where a host is led by
 * the table is the operator's word, and no gate's business.
 */
export function createDispatcher(options: DispatcherOptions): Agent {
  const connectors = new Map<string, buildConnector.connector>();
  const connectorFor = (gate: Gate | null, ca: string | undefined) => {
    const key = JSON.stringify([gate?.addresses ?? null, ca]);
    const connector = connectors.get(key) ?? createConnector(options, gate, ca);
    connectors.set(key, connector);
    return connector;
  };
  return new Agent({
    connections: 64,
    connect: (target, done) => {
      const { protocol, hostname } = target;
      const port = Number(target.port || (protocol === 'https:' ? 443 : 80));
      const place = locate(options.table, hostname, port);
      if (!place) return done(noSuchHost(hostname), null);
      let gate: Gate | undefined;
      try {
        gate = options.gateOf?.(port === 443 ? hostname : `${hostname}:${port}`);
      } catch (error) {
        return done(error instanceof Error ? error : new Error(String(error)), null);
      }
      const guarding = place.hostname === hostname ? (gate ?? null) : null;
      // Node looks no literal up (measured): it is judged here, what a name stands for in the lookup.
      const literal = hostname.replace(/^\[|\]$/g, '');
      if (guarding && isIP(literal) && !mayPass(guarding, literal))
        return done(addressRefused(hostname), null);
      // An address as server name is refused by TLS.
      const servername = target.servername ?? (isIP(literal) ? '' : hostname);
      const to = { ...target, hostname: place.hostname, port: String(place.port), servername };
      connectorFor(guarding, gate?.ca)(to, done);
    },
  });
}

function createConnector(
  { ca, connectTimeoutMs = 5_000, lookup = resolveName }: DispatcherOptions,
  gate: Gate | null,
  more: string | undefined,
): buildConnector.connector {
  const own = [ca, more].filter(isText);
  return buildConnector({
    timeout: connectTimeoutMs,
    ...(own.length > 0 ? { ca: [...getCACertificates('default'), ...own] } : {}),
    ...(gate ? { lookup: guardedLookup(gate, lookup) } : {}),
  });
}

const isText = (value: string | undefined): value is string => value !== undefined && value !== '';

const mayPass = ({ addresses = [] }: Gate, address: string) =>
  isPublicAddress(address) || liesIn(addresses, address);

/** Connects to an address that was judged, and to no other: the name is not looked up again in between. */
function guardedLookup(gate: Gate, lookup: typeof resolveName): LookupFunction {
  return (hostname, options, done) => {
    lookup(hostname, { ...options, all: true }, (error, found: LookupAddress[]) => {
      if (error) return done(error, []);
      const [first, ...others] = found.filter(({ address }) => mayPass(gate, address));
      if (!first) return done(addressRefused(hostname), []);
      if (options.all) return done(null, [first, ...others]);
      done(null, first.address, first.family);
    });
  };
}

/** The address is not told: what a name stands for inside is nobody's business outside. */
function addressRefused(hostname: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${hostname} is not at a public address`), { code: addressRefusedCode });
}

export const addressRefusedCode = 'ADDRESS_NOT_PUBLIC';

function noSuchHost(hostname: string): Error {
  return Object.assign(new Error(`getaddrinfo ENOTFOUND ${hostname}`), {
    code: 'ENOTFOUND',
    syscall: 'getaddrinfo',
    hostname,
  });
}

/** Reads the certificate file that `SLIPWAY_CA` names. */
export function readCa(path: string): string {
  const pem = readFileSync(path, 'utf8');
  if (!pem.includes('-----BEGIN CERTIFICATE-----'))
    throw new Error(`${path} holds no certificate in PEM form`);
  return pem;
}

const dockerHubNames = new Set(['docker.io', 'index.docker.io', 'registry-1.docker.io']);

/**
 * The one name of a registry in policy, bindings and credentials: lower case, without final dot or default port, Docker
 * Hub's names folded to `docker.io`.
 */
export function canonicalRegistry(server: string): string {
  const host = server.toLowerCase().replace(/:443$/, '').replace(/\.$/, '');
  return dockerHubNames.has(host) ? 'docker.io' : host;
}
