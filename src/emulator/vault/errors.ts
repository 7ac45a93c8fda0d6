/** A refusal as Key Vault words it. */
export class VaultError extends Error {
  readonly statusCode: number;
  readonly code: string;
  readonly inner: string | undefined;

  constructor(statusCode: number, code: string, message: string, inner?: string) {
    super(message);
    this.name = 'VaultError';
    this.statusCode = statusCode;
    this.code = code;
    this.inner = inner;
  }

  body(): object {
    const { code, message, inner } = this;
    return { error: { code, message, ...(inner ? { innererror: { code: inner } } : {}) } };
  }
}

export const secretNotFound = (nameOrId: string): VaultError =>
  new VaultError(
    404,
    'SecretNotFound',
    `A secret with (name/id) ${nameOrId} was not found in this key vault. If you recently deleted this secret you may be able to recover it using the correct recovery command. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125182`,
  );

export const secretDisabled = (): VaultError =>
  new VaultError(403, 'Forbidden', 'Operation get is not allowed on a disabled secret.', 'SecretDisabled');

export const throttled = (): VaultError =>
  new VaultError(
    429,
    'Throttled',
    'Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached',
  );

export const badParameter = (message: string): VaultError => new VaultError(400, 'BadParameter', message);

export function forbiddenByRbac(refused: {
  clientId: string;
  principalId: string;
  issuer: string;
  action: string;
  resource: string;
  vault: string;
  location: string;
}): VaultError {
  return new VaultError(
    403,
    'Forbidden',
    [
      'Caller is not authorized to perform action on resource.',
      'If role assignments, deny assignments or role definitions were changed recently, please observe propagation time.',
      `Caller: appid=${refused.clientId};oid=${refused.principalId};iss=${refused.issuer}`,
      `Action: '${refused.action}'`,
      `Resource: '${refused.resource.toLowerCase()}'`,
      'Assignment: (not found)',
      'DenyAssignmentId: null',
      'DecisionReason: null ',
      `Vault: ${refused.vault};location=${refused.location}`,
      '',
    ].join('\r\n'),
    'ForbiddenByRbac',
  );
}

interface Refused {
  clientId: string;
  principalId: string;
  issuer: string;
  vault: string;
  location: string;
}

export function forbiddenByPolicy(refused: Refused & { permission: string }): VaultError {
  const { clientId, principalId, issuer, vault, location, permission } = refused;
  return new VaultError(
    403,
    'Forbidden',
    `The user, group or application 'appid=${clientId};oid=${principalId};iss=${issuer}' does not have secrets ${permission} permission on key vault '${vault};location=${location}'. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125287`,
    'ForbiddenByPolicy',
  );
}

export function forbiddenByFirewall(refused: Refused & { address: string; isClosed: boolean }): VaultError {
  const { clientId, principalId, issuer, vault, location, address, isClosed } = refused;
  const caller = `Caller: appid=${clientId};oid=${principalId};iss=${issuer}\r\nVault: ${vault};location=${location}`;
  return isClosed
    ? new VaultError(
        403,
        'Forbidden',
        `Public network access is disabled and request is not from a trusted service nor via an approved private link.\r\n${caller}`,
        'ForbiddenByConnection',
      )
    : new VaultError(
        403,
        'Forbidden',
        `Client address is not authorized and caller is not a trusted service.\r\nClient address: ${address}\r\n${caller}`,
        'ForbiddenByFirewall',
      );
}
