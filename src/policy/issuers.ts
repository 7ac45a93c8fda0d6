const entra =
  /^https:\/\/(?:login\.microsoftonline\.com|login\.microsoftonline\.us|login\.partner\.microsoftonline\.cn)\/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\/v2\.0$/;

/** The tenant of an Entra ID issuer (v2.0, one tenant); null for any other issuer. */
export function entraTenant(issuer: string): string | null {
  return entra.exec(issuer)?.[1] ?? null;
}

/** Whether an issuer is Entra ID in a form whose tokens cannot be told apart by tenant and version. */
export function isLooseEntra(issuer: string): boolean {
  if (entraTenant(issuer)) return false;
  const { hostname } = new URL(issuer);
  return /^sts\.windows\.net$|(?:^|\.)microsoftonline\.(?:com|us|cn|de)$|(?:^|\.)login\.windows\.net$/.test(
    hostname,
  );
}
