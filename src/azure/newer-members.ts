/** Who may use an identity of a group: ACI itself (`System`, to pull), the workload (`User`), or both. */
export type IdentityAccess = 'System' | 'User' | 'All';

/** What a container group may have that the SDK's own version of ARM does not know; it would drop it in silence (measured). */
export interface NewerMembers {
  identityAcls?: { defaultAccess: IdentityAccess; acls: { identity: string; access: IdentityAccess }[] };
}

/** The version of ARM that knows them. */
export const newestVersion = '2025-09-01';

/** The version to send a body with: the SDK's own, unless the body has members that only a newer one knows. */
export function versionFor({ identityAcls }: NewerMembers): { apiVersion?: string } {
  return identityAcls ? { apiVersion: newestVersion } : {};
}

export function withoutNewerMembers<T extends NewerMembers>({
  identityAcls: _,
  ...rest
}: T): Omit<T, 'identityAcls'> {
  return rest;
}

/** Puts into what the SDK has written what it left out. */
export function putNewerMembers({ identityAcls }: NewerMembers, written: string): string {
  if (!identityAcls) return written;
  const body = JSON.parse(written);
  return JSON.stringify({ ...body, properties: { ...body.properties, identityAcls } });
}
