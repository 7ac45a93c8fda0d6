/**
 * Everything that can be wrong with a request, in one table: status and title by code. What can go wrong with a
 * deployment after it was accepted stands in failures.ts.
 */
export const requestErrors = {
  InvalidRequest: [400, 'The request is not valid'],
  InvalidImageReference: [400, 'The image reference is malformed'],
  UppercaseRepository: [400, 'Repository names are lower case'],
  RegistryCredentialMissing: [400, 'No credential covers this registry'],
  PasswordNotAccepted: [400, 'Slipway takes no passwords'],
  SecretInRequest: [400, 'The request holds a secret'],
  Unauthenticated: [401, 'Sign in first'],
  CredentialNotAvailable: [403, 'This secret is not available to the team'],
  IdentityNotAvailable: [403, 'This identity is not available to the team'],
  RegistryNotAllowed: [403, 'This registry is not allowed for the team'],
  TargetNotAllowed: [403, 'This target is not allowed for the team'],
  PermissionDenied: [403, 'The caller lacks the permission'],
  CredentialNotBoundToRegistry: [403, 'The secret is bound to another registry'],
  NotFound: [404, 'There is no such resource'],
  MethodNotAllowed: [405, 'The resource has no such method'],
  RequestTimeout: [408, 'The request was not received in time'],
  NotYet: [408, 'The operation is still going'],
  DeploymentExists: [409, 'A deployment of this name exists'],
  DeploymentBusy: [409, 'Another operation is running'],
  NotCancelable: [409, 'There is nothing that could be canceled'],
  DeploymentNotLive: [409, 'The deployment has no container group'],
  StoredCredentialRotated: [409, 'The password that Azure stored is no longer the current one'],
  IdempotentRequestInProgress: [409, 'The first request with this key is still being accepted'],
  ContainerGroupNotAdoptable: [409, 'The container group cannot be taken over'],
  ContainerGroupExists: [409, 'A container group of this name exists that Slipway did not make'],
  ContainerNotStarted: [409, 'The container has not started'],
  LogsGone: [410, 'The log is gone'],
  PreconditionFailed: [412, 'The deployment has changed since it was read'],
  PayloadTooLarge: [413, 'The request is too large'],
  UriTooLong: [414, 'The address is too long'],
  UnsupportedMediaType: [415, 'Send application/json'],
  IdempotencyKeyReused: [422, 'The key was used with another request'],
  RequiresReplacement: [422, 'Azure cannot change this in place'],
  NoRevisionToRollBackTo: [422, 'There is no revision to go back to'],
  TeamQuotaExceeded: [422, "The team's quota is used up"],
  DeploymentRefused: [422, 'The deployment cannot be made'],
  OperationFailed: [422, 'The operation failed'],
  PreconditionRequired: [428, 'Say with If-Match what is to be changed'],
  RateLimited: [429, 'Too many requests'],
  HeadersTooLarge: [431, 'The headers are too large'],
  InternalError: [500, 'Something went wrong here'],
  AzureUnavailable: [503, 'Azure does not answer'],
  StoreUnavailable: [503, 'The store does not answer'],
  ShuttingDown: [503, 'The service is stopping'],
  HandlerTimeout: [503, 'The request took too long'],
} as const satisfies Record<string, readonly [number, string]>;

export type RequestErrorCode = keyof typeof requestErrors;

export interface ErrorDetail {
  /** JSON pointer into the body, or the name of a parameter or header. */
  pointer: string;
  detail: string;
  /** What gave a secret away. */
  rule?: string;
}

interface Extras {
  errors?: ErrorDetail[];
  /** The code shown instead of the table's, where a failure of deployments is the reason (422). */
  failure?: { code: string; title: string; detail: string };
  /** Further members of the problem document. */
  members?: Record<string, unknown>;
  headers?: Record<string, string>;
  /** The change was accepted, and is on record, before it failed. */
  accepted?: true;
  /** What it concerns, for the audit, where the request does not name it. */
  about?: { team: string; target: string };
}

/** An error on the way in: thrown where it is found, met once in http/problems. Its text is for the caller. */
export class RequestError extends Error {
  readonly code: RequestErrorCode;
  readonly statusCode: number;
  readonly title: string;
  readonly extras: Extras;

  constructor(code: RequestErrorCode, detail: string, extras: Extras = {}) {
    super(detail);
    this.name = 'RequestError';
    this.code = code;
    [this.statusCode, this.title] = requestErrors[code];
    this.extras = extras;
  }
}

export function createError(code: RequestErrorCode, detail: string, extras?: Extras): RequestError {
  return new RequestError(code, detail, extras);
}
