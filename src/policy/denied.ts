import type { RequestErrorCode } from '../errors.ts';

/** Why a request is not allowed, and where; stays inside the policy room. */
export class Denied extends Error {
  readonly code: RequestErrorCode;
  readonly pointer: string;

  constructor(code: RequestErrorCode, pointer: string, detail: string) {
    super(detail);
    this.code = code;
    this.pointer = pointer;
  }
}
