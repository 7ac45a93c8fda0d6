import { principalOf } from './pull-identity.ts';
import type { PullerParts } from './puller.ts';
import type { StoredCredential, StoredProperties } from './stored.ts';

const vaultAudience = 'https://vault.azure.net';

/** The vault does not give the secret that a reference names. */
export class UnresolvedReference extends Error {}

/** The credential with its password, read from the vault where it is a reference: anew at each pull, as the identity. */
export async function withPassword(
  credential: StoredCredential | undefined,
  { secretReferences = [] }: StoredProperties,
  parts: PullerParts,
): Promise<StoredCredential | undefined> {
  const name = credential?.passwordReference;
  if (name === undefined) return credential;
  const reference = secretReferences.find(each => each.name.toLowerCase() === name.toLowerCase());
  const principal = reference && principalOf(parts.world, reference.identity);
  if (!principal) throw new UnresolvedReference(`secret reference ${name}: identity not found`);
  const token = await parts.identityToken(principal, vaultAudience);
  const answer = await parts.fetch(`${reference.secretReferenceUri}?api-version=7.4`, {
    headers: { authorization: `Bearer ${token}` },
  });
  if (answer.status !== 200) throw new UnresolvedReference(`secret reference ${name}: ${answer.status}`);
  const { value }: { value: string } = JSON.parse(answer.body.toString('utf8'));
  return { ...credential, password: value };
}
