import type { Answer, createCaller } from './service.ts';

export interface Recorded {
  method: string;
  path: string;
  body?: unknown;
  headers?: Record<string, string>;
  answer: Answer;
}

type Caller = ReturnType<typeof createCaller>;

/** A caller whose requests are kept with their answers, to be sent again by others. */
export function recordCalls(ask: Caller): { ask: Caller; recorded: Recorded[] } {
  const recorded: Recorded[] = [];
  return {
    recorded,
    async ask(method, path, more = {}) {
      const answer = await ask(method, path, more);
      recorded.push({ method, path, ...more, answer });
      return answer;
    },
  };
}

/** Sends a recorded request by another caller, changed as a whole where `rewrite` is given. */
export function replay(
  ask: Caller,
  { method, path, body, headers }: Recorded,
  rewrite = (text: string) => text,
): Promise<Answer> {
  const raw = body === undefined ? {} : { raw: rewrite(JSON.stringify(body)) };
  return ask(method, rewrite(path), {
    ...raw,
    ...(headers ? { headers: JSON.parse(rewrite(JSON.stringify(headers))) } : {}),
  });
}
