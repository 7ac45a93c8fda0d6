import { existsSync, readFileSync } from 'node:fs';
import {
  type CryptoKey,
  calculateJwkThumbprint,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JWK,
} from 'jose';
import { writeAtomically } from '../files.ts';

/** The keys of one issuer: newest first. The newest signs, all of them are published. */
export interface SigningKeys {
  signer(): { kid: string; key: CryptoKey };
  find(kid: string): CryptoKey | undefined;
  /** The key set as it is published. */
  published(): { keys: JWK[] };
  /** A new key signs from now on; the oldest is published no longer. */
  rotate(): Promise<void>;
}

export interface IssuerKeys {
  entra: SigningKeys;
  federated: SigningKeys;
}

const issuers = ['entra', 'federated'] as const;
type Stored = Record<(typeof issuers)[number], JWK[]>;

/** Kept in `file`, so that tokens outlive a restart; in memory without one. */
export async function openKeys(file: string | undefined): Promise<IssuerKeys> {
  const stored: Stored = (file ? read(file) : undefined) ?? (await create());
  const keep = async () => {
    if (file) await writeAtomically(file, JSON.stringify(stored), 0o600);
  };
  await keep();
  const [entra, federated] = await Promise.all(issuers.map(issuer => open(stored[issuer], keep)));
  if (!entra || !federated) throw new Error('an issuer has no keys');
  return { entra, federated };
}

function read(file: string): Stored | undefined {
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined;
}

async function create(): Promise<Stored> {
  const [first, second, third] = await Promise.all([newKey(), newKey(), newKey()]);
  return { entra: [first, second], federated: [third] };
}

async function newKey(): Promise<JWK> {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  const jwk = await exportJWK(privateKey);
  return { ...jwk, kid: await calculateJwkThumbprint(jwk), alg: 'RS256', use: 'sig' };
}

async function open(stored: JWK[], keep: () => Promise<void>): Promise<SigningKeys> {
  const privateKeys = new Map<string, CryptoKey>();
  const publicKeys = new Map<string, CryptoKey>();
  async function load(jwk: JWK): Promise<void> {
    privateKeys.set(jwk.kid ?? '', await toKey(jwk));
    publicKeys.set(jwk.kid ?? '', await toKey(publicPart(jwk)));
  }
  await Promise.all(stored.map(load));
  return {
    signer() {
      const kid = stored[0]?.kid ?? '';
      const key = privateKeys.get(kid);
      if (!key) throw new Error('the issuer has no key to sign with');
      return { kid, key };
    },
    find: kid => publicKeys.get(kid),
    published: () => ({ keys: stored.map(publicPart) }),
    async rotate() {
      const fresh = await newKey();
      await load(fresh);
      stored.unshift(fresh);
      if (stored.length > 2) publicKeys.delete(stored.pop()?.kid ?? '');
      await keep();
    },
  };
}

async function toKey(jwk: JWK): Promise<CryptoKey> {
  const key = await importJWK(jwk, 'RS256');
  if (key instanceof Uint8Array) throw new Error('a signing key is symmetric');
  return key;
}

function publicPart({ kty, n, e, kid, alg, use }: JWK): JWK {
  return Object.fromEntries(
    Object.entries({ kty, n, e, kid, alg, use }).filter(([, value]) => value !== undefined),
  );
}
