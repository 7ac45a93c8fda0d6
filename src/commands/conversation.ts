import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Dispatcher, request } from 'undici';
import { createDispatcher, parseHostTable } from '../hosts.ts';
import type { EmbeddedAzure } from './embedded-azure.ts';

/** One call that Azure or a registry was asked, from the embedded Azure's journal. */
export interface Call {
  seq: number;
  host: string;
  method: string;
  path: string;
  status: number;
  caller?: string;
  clientRequestId?: string;
}

export interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: unknown;
  ms: number;
}

export type Conversation = Awaited<ReturnType<typeof createConversation>>;

/** Asks the service as a caller would, and the embedded Azure what it was asked meanwhile. Keeps every answer. */
export async function createConversation(parties: { service: string; azure: EmbeddedAzure; token: string }) {
  const answers: string[] = [];
  const ca = readFileSync(join(parties.azure.directory, 'ca.pem'), 'utf8');
  const port = new URL(parties.azure.url).port;
  const dispatcher: Dispatcher = createDispatcher({
    table: parseHostTable(`localhost=127.0.0.1:${port}`),
    ca,
  });

  return {
    answers,
    async ask(
      method: 'GET' | 'POST',
      path: string,
      options: { body?: object; prefer?: string } = {},
    ): Promise<Answer> {
      const begun = performance.now();
      const answer = await fetch(`${parties.service}${path}`, {
        method,
        headers: {
          authorization: `Bearer ${parties.token}`,
          ...(options.body ? { 'content-type': 'application/json' } : {}),
          ...(options.prefer ? { prefer: options.prefer } : {}),
        },
        ...(options.body ? { body: JSON.stringify(options.body) } : {}),
      });
      const text = await answer.text();
      const headers = Object.fromEntries(answer.headers);
      answers.push(`${JSON.stringify(headers)}\n${text}`);
      return { status: answer.status, headers, body: JSON.parse(text), ms: performance.now() - begun };
    },
    /** What Azure was asked after the call numbered `since`. */
    async calls(since: number): Promise<Call[]> {
      const { body } = await request(`https://localhost/_emulator/journal?since=${since}`, { dispatcher });
      return ((await body.json()) as { value: Call[] }).value;
    },
    close: () => dispatcher.destroy(),
  };
}
