import { Pool } from 'undici';

export interface Ask {
  method: 'GET' | 'POST';
  path: string;
  body?: string;
  headers?: Record<string, string>;
  expect: number;
}

/** How many requests a second, by so many callers who ask one after the other, for so long; the first part is not counted. */
export async function rateOf(
  url: string,
  { callers, warmMs, ms }: { callers: number; warmMs: number; ms: number },
  ask: (n: number) => Ask,
): Promise<number> {
  const pool = new Pool(url, { connections: callers, pipelining: 1 });
  const from = performance.now() + warmMs;
  const until = from + ms;
  let sent = 0;
  let counted = 0;
  try {
    await Promise.all(
      Array.from({ length: callers }, async () => {
        while (performance.now() < until) {
          sent += 1;
          const { method, path, body, headers, expect } = ask(sent);
          const answer = await pool.request({
            method,
            path,
            ...(body ? { body } : {}),
            ...(headers ? { headers } : {}),
          });
          const text = await answer.body.text();
          if (answer.statusCode !== expect)
            throw new Error(`${method} ${path}: ${answer.statusCode} ${text.slice(0, 300)}`);
          const now = performance.now();
          if (now >= from && now < until) counted += 1;
        }
      }),
    );
  } finally {
    await pool.destroy();
  }
  return (counted * 1_000) / ms;
}
