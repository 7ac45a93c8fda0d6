import type { Problem } from './api.ts';

/** Slipway answered that it will not, or that it failed: its problem document. */
export class RefusedCall extends Error {
  override readonly name = 'RefusedCall';
  readonly status: number;
  /** Stable, and the list grows: expect ones that you do not know. */
  readonly code: string;
  readonly problem: Partial<Problem>;
  readonly requestId: string | null;

  constructor(status: number, problem: Partial<Problem>, requestId: string | null) {
    super(problem.detail ?? `Slipway answered ${status}.`);
    this.status = status;
    this.code = problem.code ?? `Http${status}`;
    this.problem = problem;
    this.requestId = requestId;
  }
}

/** Nobody answered, or not as Slipway does, for as long as it was tried. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer';
}
