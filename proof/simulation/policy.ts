import { parsePolicy } from '../../src/policy/load.ts';
import { callerOf } from '../../src/policy/principals.ts';
import type { Caller } from '../../src/schemas/principal.ts';

export const registryHost = 'registry.example';
export const secretName = 'pull';
const issuer = 'sim';

const text = (registries: string) => `
version: 1
issuers: [{ name: ${issuer}, issuer: https://issuer.example, audience: slipway }]
teams:
  web:
    principals: [{ issuer: ${issuer}, subject: ann, permissions: [deploy, read, logs, cancel, delete] }]
    targets: [web]
    vaults: [vault]
    registrySecrets: [${secretName}]
    registries: [${registries}]
    quota: { cpu: 16 }
targets:
  web: { subscription: 00000000-0000-0000-0000-00000000bbbb, resourceGroup: web, locations: [eastus, westeurope] }
vaults:
  vault: { url: "https://vault.vault.azure.net", ownersBind: true }
`;

const read = (registries: string) =>
  parsePolicy([{ name: 'simulation.yaml', text: text(registries) }]).loaded;

export const granting = read(`{ server: ${registryHost}, credential: ${secretName} }`);
/** The right to pull is withdrawn. */
export const withdrawing = read('{ server: other.example, anonymous: true }');

export const caller: Caller = callerIn();

function callerIn(): Caller {
  const found = callerOf(granting, issuer, { sub: 'ann', exp: 4_102_444_800 });
  if (!found) throw new Error('the policy knows no caller');
  return found;
}
