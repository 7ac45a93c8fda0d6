import type { IncomingMessage } from 'node:http';

const callers = new WeakMap<IncomingMessage, string>();

/** Notes for the journal who asks: a client id or a user name, never a secret. */
export function nameCaller(request: IncomingMessage, caller: string): void {
  callers.set(request, caller);
}

export function callerOf(request: IncomingMessage): string | null {
  return callers.get(request) ?? null;
}
