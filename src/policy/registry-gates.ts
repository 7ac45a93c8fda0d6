import { dirname, resolve } from 'node:path';
import { canonicalRegistry, type Gate, readCa } from '../hosts.ts';
import type { Policy } from './policy.ts';

/**
 * What is let through to a registry or its token service. `directory` is where the policy's relative paths begin. Throws
 * where its certificate file cannot be read.
 */
export function gateFor({ registries = {} }: Policy, host: string, directory: string): Gate {
  const name = canonicalRegistry(host);
  const entry = Object.hasOwn(registries, name)
    ? registries[name]
    : Object.values(registries).find(({ tokenHost }) => tokenHost === name);
  const { addresses, ca } = entry ?? {};
  return {
    ...(addresses ? { addresses } : {}),
    ...(ca === undefined ? {} : { ca: isPem(ca) ? ca : readFile(resolve(directory, ca)) }),
  };
}

const isPem = (text: string) => text.includes('-----BEGIN CERTIFICATE-----');

function readFile(path: string): string {
  try {
    return readCa(path);
  } catch (cause) {
    throw Object.assign(new Error(`the policy's ${path} cannot be read`, { cause }), {
      code: 'ERR_TLS_CA_FILE',
    });
  }
}

/** The host whose tokens a registry takes, where policy names one that is not its own. */
export function tokenHostFor({ registries = {} }: Policy, host: string): string | undefined {
  const name = canonicalRegistry(host);
  return Object.hasOwn(registries, name) ? registries[name]?.tokenHost : undefined;
}

/** Where a policy's relative paths begin: beside it, or here where it comes from afar. */
export const directoryOf = (policy: string) => (policy.startsWith('https:') ? '.' : dirname(policy));
