import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { getCACertificates } from 'node:tls';
import { Agent, buildConnector } from 'undici';

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

/**
 * The one door to the network: Azure, registries and signing keys are asked through it. Addresses, certificates and
 * `Host` headers stay those of the real names, so nothing that asks knows whether a table stands between.
 */
export function createDispatcher(options: {
  table: HostTable;
  ca?: string;
  connectTimeoutMs?: number;
}): Agent {
  const ca = options.ca ? [...getCACertificates('default'), options.ca] : undefined;
  const connect = buildConnector({ timeout: options.connectTimeoutMs ?? 5_000, ...(ca ? { ca } : {}) });
  return new Agent({
    connections: 64,
    connect: (target, done) => {
      const port = Number(target.port || (target.protocol === 'https:' ? 443 : 80));
      const place = locate(options.table, target.hostname, port);
      if (!place) return done(noSuchHost(target.hostname), null);
      // An address as server name is refused by TLS.
      const servername = target.servername ?? (isIP(target.hostname) ? '' : target.hostname);
      connect({ ...target, hostname: place.hostname, port: String(place.port), servername }, done);
    },
  });
}

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
