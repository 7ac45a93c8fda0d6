import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { createSecureContext, type SecureContext } from 'node:tls';
import { createAuthorityCertificate, createServerCertificate, type Issuer } from './x509.ts';

export interface Certificates {
  /** The authority's certificate, in PEM form: what clients trust. */
  ca: string;
  /** For clients that name no host, such as those that go to an address. */
  fallback: { key: string; cert: string };
  contextFor(servername: string): SecureContext;
}

const authorityDays = 3650;
/** What macOS accepts at most. */
const serverDays = 397;
const keptContexts = 500;

/** The authority is made once and kept in `dataDir`, so that what trusts it today does so after a restart. */
export function openCertificates(dataDir: string | undefined): Certificates {
  const { issuer, ca } = openAuthority(dataDir);
  const key = newKey();
  const keyPem = toPem(key);
  const contexts = new Map<string, SecureContext>();
  const issue = (hosts: string[]) => createServerCertificate(issuer, key, hosts, serverDays) + ca;
  return {
    ca,
    fallback: { key: keyPem, cert: issue(['localhost', '*.localhost', ...localAddresses()]) },
    contextFor(servername) {
      const host = servername.toLowerCase();
      const known = contexts.get(host);
      if (known) return known;
      const context = createSecureContext({ key: keyPem, cert: issue([host]) });
      if (contexts.size >= keptContexts) contexts.clear();
      contexts.set(host, context);
      return context;
    },
  };
}

const authorityName = 'Slipway embedded Azure';

function openAuthority(dataDir: string | undefined): { issuer: Issuer; ca: string } {
  if (!dataDir) return newAuthority();
  const caFile = join(dataDir, 'ca.pem');
  const keyFile = join(dataDir, 'ca-key.pem');
  if (existsSync(caFile) && existsSync(keyFile)) {
    const key = createPrivateKey(readFileSync(keyFile));
    return { issuer: { name: authorityName, key }, ca: readFileSync(caFile, 'utf8') };
  }
  const made = newAuthority();
  writeFileSync(keyFile, toPem(made.issuer.key), { mode: 0o600 });
  writeFileSync(caFile, made.ca);
  return made;
}

function newAuthority(): { issuer: Issuer; ca: string } {
  const issuer = { name: authorityName, key: newKey() };
  return { issuer, ca: createAuthorityCertificate(issuer, authorityDays) };
}

function newKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
}

function toPem(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}

function localAddresses(): string[] {
  const found = Object.values(networkInterfaces()).flatMap(each => each?.map(({ address }) => address) ?? []);
  return [...new Set(['127.0.0.1', '::1', ...found.map(address => address.split('%')[0] ?? address)])];
}
