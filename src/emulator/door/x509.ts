import { createHash, createPublicKey, type KeyObject, randomBytes, sign } from 'node:crypto';
import { isIP } from 'node:net';
import { bits, integer, objectId, octets, sequence, set, tagged, text, time, yes } from './der.ts';

/** Who signs: the name in its certificate and its EC private key. */
export interface Issuer {
  name: string;
  key: KeyObject;
}

const ecdsaWithSha256 = sequence(objectId('1.2.840.10045.4.3.2'));
const dayInMs = 86_400_000;

/** A certificate authority's own certificate, in PEM form. */
export function createAuthorityCertificate(issuer: Issuer, days: number): string {
  const spki = publicKeyOf(issuer.key);
  return certificate(issuer, issuer.name, spki, days, [
    extension('2.5.29.19', true, sequence(yes)),
    extension('2.5.29.15', true, bits(Buffer.from([0x06]), 1)), // keyCertSign, cRLSign
    subjectKeyId(spki),
  ]);
}

/** A server's certificate for these DNS names and IP addresses, in PEM form. */
export function createServerCertificate(
  issuer: Issuer,
  key: KeyObject,
  hosts: string[],
  days: number,
): string {
  const spki = publicKeyOf(key);
  return certificate(issuer, hosts[0] ?? 'localhost', spki, days, [
    extension('2.5.29.19', true, sequence()),
    extension('2.5.29.15', true, bits(Buffer.from([0x80]), 7)), // digitalSignature
    extension('2.5.29.37', false, sequence(objectId('1.3.6.1.5.5.7.3.1'))), // serverAuth
    extension('2.5.29.17', false, sequence(...hosts.map(generalName))),
    subjectKeyId(spki),
    extension('2.5.29.35', false, sequence(tagged(0, keyId(publicKeyOf(issuer.key))))),
  ]);
}

function certificate(
  issuer: Issuer,
  subject: string,
  spki: Buffer,
  days: number,
  extensions: Buffer[],
): string {
  const now = Date.now();
  const body = sequence(
    tagged(0, integer(Buffer.from([2])), true),
    integer(Buffer.concat([Buffer.from([1]), randomBytes(15)])),
    ecdsaWithSha256,
    distinguishedName(issuer.name),
    sequence(time(new Date(now - dayInMs)), time(new Date(now + days * dayInMs))),
    distinguishedName(subject),
    spki,
    tagged(3, sequence(...extensions), true),
  );
  const signed = sequence(body, ecdsaWithSha256, bits(sign('sha256', body, issuer.key)));
  return `-----BEGIN CERTIFICATE-----\n${signed.toString('base64').replace(/.{1,64}/g, '$&\n')}-----END CERTIFICATE-----\n`;
}

function publicKeyOf(key: KeyObject): Buffer {
  return createPublicKey(key).export({ type: 'spki', format: 'der' });
}

function distinguishedName(commonName: string): Buffer {
  return sequence(set(sequence(objectId('2.5.4.3'), text(commonName.slice(0, 64)))));
}

function extension(id: string, critical: boolean, content: Buffer): Buffer {
  return sequence(objectId(id), ...(critical ? [yes] : []), octets(content));
}

// Strict verifiers (Python 3.13 and later) refuse a chain without key identifiers.
function subjectKeyId(spki: Buffer): Buffer {
  return extension('2.5.29.14', false, octets(keyId(spki)));
}

function keyId(spki: Buffer): Buffer {
  return createHash('sha256').update(spki).digest().subarray(0, 20);
}

function generalName(host: string): Buffer {
  return isIP(host) === 0 ? tagged(2, Buffer.from(host, 'ascii')) : tagged(7, addressBytes(host));
}

function addressBytes(address: string): Buffer {
  if (isIP(address) === 4) return Buffer.from(address.split('.').map(Number));
  const [head = '', tail = ''] = address.split('%')[0]?.split('::') ?? [];
  const left = head.split(':').filter(Boolean);
  const right = tail.split(':').filter(Boolean);
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => '0');
  return Buffer.from([...left, ...zeros, ...right].map(group => group.padStart(4, '0')).join(''), 'hex');
}
