import { Secret } from '../secret.ts';

/** Who signs in: a user, or an Entra token that Azure Container Registry exchanges. */
export type RegistryCredential =
  | { username: string; password: Secret }
  | { entraToken: Secret; tenantId: string };

/** What the `Authorization` header says. */
export interface Authorization {
  scheme: 'Basic' | 'Bearer';
  value: Secret;
}

/** The pair as it goes on the wire is a secret of its own: a registry may say it back. */
export function basicAuthorization(
  { username, password }: Extract<RegistryCredential, { username: string }>,
  kept: DisposableStack,
): Authorization {
  const pair = Buffer.from(`${username}:${password.reveal()}`).toString('base64');
  return { scheme: 'Basic', value: kept.use(new Secret(pair)) };
}

/** The same credential, whose secrets live as long as `kept`, whatever becomes of the original. */
export function ownCopy(
  credential: RegistryCredential | null,
  kept: DisposableStack,
): RegistryCredential | null {
  if (!credential) return null;
  const copy = (secret: Secret) => kept.use(new Secret(secret.reveal()));
  return 'username' in credential
    ? { ...credential, password: copy(credential.password) }
    : { ...credential, entraToken: copy(credential.entraToken) };
}
