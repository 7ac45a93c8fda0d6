import type { Secret } from '../secret.ts';

/** Who signs in: a user, or an Entra token that Azure Container Registry exchanges. */
export type RegistryCredential =
  | { username: string; password: Secret }
  | { entraToken: Secret; tenantId: string };

export function basicHeader({ username, password }: { username: string; password: Secret }): string {
  return `Basic ${Buffer.from(`${username}:${password.reveal()}`).toString('base64')}`;
}
