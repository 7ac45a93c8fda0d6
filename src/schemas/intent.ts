import type { OperationKind, Status } from './deployment.ts';
import type { Failure } from './failure.ts';

/** What the change under way is to do, beside what its kind says, and how far it is. Kept with the row; callers never see it. */
export interface Intent {
  kind: OperationKind;
  /** Where ARM cannot change the group in place it is deleted and made anew. */
  allowReplace?: true;
  /** It cannot: what is there goes first. */
  replaces?: true;
  /** No container notices the change: of the live revision, this one, only tags and what Slipway reads are otherwise. */
  keeps?: { revision: number; untag: string[] };
  /** What the change comes to in vain is undone. */
  onFailure?: 'rollback';
  /** The revision that ARM served when the change was accepted. */
  previous?: number | null;
  /** Digests by container: the images are those of an earlier revision, whatever their tags mean now. */
  pins?: Record<string, string>;
  /** The group as it was before: what is still so says nothing of the change. */
  before?: GroupMarks;
  /** Since when every container runs (RFC 3339), and when each was started: where it has to last. */
  steady?: { since: string; started: Record<string, string> };
  /** Azure has taken the verb. */
  sent?: true;
  /** When Azure was last told to delete the group (RFC 3339). */
  deletionSentAt?: string;
  /** Of a cancel: the operation that it ends, and where that was. */
  cancels?: { operation: string; intent: Intent; status: Status };
  /** Until then what a lost worker sent may still reach Azure (RFC 3339). */
  inDoubtUntil?: string;
  /** What a worker who was lost may have sent. */
  late?: GroupCall;
  /** What went wrong: the revision under way only takes back what failed. */
  undoing?: Failure;
}

/** A PUT that may still reach Azure. */
export interface GroupCall {
  /** Null: of one before this. */
  revision: number | null;
  /** RFC 3339. */
  until: string;
}

/** What tells whether a group has moved since: by Azure's own clock. */
export interface GroupMarks {
  /** When each container was started last. */
  started: Record<string, string>;
  /** Of the newest event. */
  eventsUntil: string | null;
}
