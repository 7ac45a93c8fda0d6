/** A registry's refusal: `{errors: [{code, message, detail}]}`. */
export class RegistryError extends Error {
  readonly status: number;
  readonly code: string;
  readonly detail: unknown;
  readonly headers: Record<string, string>;
  /** The message is all that is answered. */
  readonly plain: boolean;

  constructor(
    status: number,
    code: string,
    message: string,
    more: { detail?: unknown; headers?: Record<string, string>; plain?: boolean } = {},
  ) {
    super(message);
    this.status = status;
    this.code = code;
    this.detail = more.detail ?? null;
    this.headers = more.headers ?? {};
    this.plain = more.plain ?? false;
  }

  with(more: { detail?: unknown; headers?: Record<string, string> }): RegistryError {
    const { status, code, message, plain } = this;
    return new RegistryError(status, code, message, { ...more, plain });
  }

  body(): object {
    return { errors: [{ code: this.code, message: this.message, detail: this.detail }] };
  }
}

export const manifestUnknown = (host: string, reference: string) =>
  new RegistryError(
    404,
    'MANIFEST_UNKNOWN',
    host.endsWith('.azurecr.io') ? `manifest tagged by "${reference}" is not found` : 'manifest unknown',
    {
      detail: { Tag: reference },
    },
  );

export const blobUnknown = (digest: string) =>
  new RegistryError(404, 'BLOB_UNKNOWN', 'blob unknown to registry', { detail: digest });

export const nameUnknown = (name: string) =>
  new RegistryError(404, 'NAME_UNKNOWN', 'repository name not known to registry', { detail: { name } });

export const rateLimited = () =>
  new RegistryError(
    429,
    'TOOMANYREQUESTS',
    'You have reached your pull rate limit. You may increase the limit by authenticating and upgrading: https://www.docker.com/increase-rate-limit',
    {
      headers: { 'retry-after': '60', 'ratelimit-limit': '100;w=21600', 'ratelimit-remaining': '0;w=21600' },
    },
  );

export const digestInvalid = () =>
  new RegistryError(400, 'DIGEST_INVALID', 'provided digest did not match uploaded content');
