import type { Operation } from '../../client/api.ts';
import { NoAnswer, RefusedCall } from '../../client/failed-call.ts';
import { createProgress, type Progress } from './progress.ts';
import type { Session } from './session.ts';

interface Place {
  /** Null where the operation is over many: then there are no events to show. */
  deployment: string | null;
  operation: string;
}

/** Looks are short at first, so that events show as they come, and longer later. */
const lookSeconds = [1, 2, 2, 5, 10];

/**
 * Waits for an operation's end and shows the deployment's events meanwhile; null where the time was over first. A Slipway
 * that is away for a while is waited for too.
 */
export async function reach(session: Session, place: Place, timeoutMs: number): Promise<Operation | null> {
  const deadline = performance.now() + timeoutMs;
  const progress = createProgress(process.stderr, Boolean(session.env.CI));
  const events = place.deployment === null ? null : createEventReader(session, place.deployment, progress);
  try {
    for (let look = 0; ; look++) {
      const leftSeconds = Math.max(0, Math.floor((deadline - performance.now()) / 1000));
      const timeout = Math.min(lookSeconds[look] ?? 10, leftSeconds);
      const operation = await tolerating(progress, deadline, () => lookAt(session, place.operation, timeout));
      if (operation) {
        await tolerating(progress, deadline, async () => events?.readSince(operation.createdAt));
        progress.state(operation);
      }
      if (operation?.endedAt) return operation;
      if (performance.now() >= deadline) return null;
    }
  } finally {
    progress.end();
  }
}

async function lookAt({ client }: Session, id: string, timeout: number): Promise<Operation> {
  try {
    return (await client.waitForOperation({ id, timeout })).body;
  } catch (error) {
    if (!(error instanceof RefusedCall) || !['NotYet', 'OperationFailed'].includes(error.code)) {
      // A failure is told under its own code.
      if (!(error instanceof RefusedCall) || error.status !== 422) throw error;
    }
    return (await client.getOperation({ id })).body;
  }
}

function createEventReader({ client }: Session, id: string, progress: Progress) {
  let after = 0;
  return {
    /** What came before the change is no news. Azure's own times are whole seconds. */
    async readSince(instant: string): Promise<void> {
      const begun = Date.parse(instant);
      for await (const event of client.each('listEvents', { id, after })) {
        after = event.seq;
        const slack = event.source === 'Slipway' ? 0 : 999;
        if (Date.parse(event.at) >= begun - slack) progress.event(event);
      }
    },
  };
}

/** Null where Slipway did not answer and there is time left to ask again. */
async function tolerating<T>(progress: Progress, deadline: number, ask: () => Promise<T>): Promise<T | null> {
  try {
    return await ask();
  } catch (error) {
    const passes = error instanceof NoAnswer || (error instanceof RefusedCall && error.status >= 429);
    if (!passes || performance.now() >= deadline) throw error;
    progress.state(null, error.message);
    return null;
  }
}
