/** An answer of Azure Resource Manager that refuses: `{error: {code, message}}`. */
export class ArmError extends Error {
  readonly statusCode: number;
  readonly code: string;
  readonly target: string | undefined;
  readonly details: unknown[] | undefined;
  readonly headers: Record<string, string>;

  constructor(
    statusCode: number,
    code: string,
    message: string,
    more: {
      target?: string | undefined;
      details?: unknown[] | undefined;
      headers?: Record<string, string>;
    } = {},
  ) {
    super(message);
    this.name = 'ArmError';
    this.statusCode = statusCode;
    this.code = code;
    this.target = more.target;
    this.details = more.details;
    this.headers = more.headers ?? {};
  }

  body(): { error: Record<string, unknown> } {
    return {
      error: {
        code: this.code,
        message: this.message,
        ...(this.target === undefined ? {} : { target: this.target }),
        ...(this.details === undefined ? {} : { details: this.details }),
      },
    };
  }
}
