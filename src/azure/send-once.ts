import type { PipelineResponse } from '@azure/core-rest-pipeline';
import { errorOfAnswer, toAzureError } from './failure.ts';

type Answer = Pick<PipelineResponse, 'status' | 'headers' | 'bodyAsText'>;

/** Leaves the SDK's call once the answer is there: it would poll at once, and in memory. */
class Sent extends Error {
  readonly answer: Answer;
  constructor(answer: Answer) {
    super('sent');
    this.answer = answer;
  }
}

/** Begins a write of the SDK's and leaves it with the first answer. Throws `AzureError`. */
export async function sendOnce(
  operation: string,
  begin: (onResponse: (raw: Answer, flat: unknown, error?: unknown) => void) => Promise<unknown>,
): Promise<Answer> {
  try {
    await begin((raw, _flat, error) => {
      // The SDK calls back for refusals too, and not always with the error.
      if (error || raw.status >= 400) return;
      throw isPage(raw) ? errorOfAnswer('arm', operation, raw, null) : new Sent(raw);
    });
  } catch (error) {
    if (error instanceof Sent) return error.answer;
    throw toAzureError('arm', operation, error);
  }
  throw new Error(`${operation}: the SDK gave no answer`);
}

/** What stands in front of Resource Manager answers so in its place, whatever the status. */
const isPage = ({ bodyAsText }: Answer) => bodyAsText?.trimStart().startsWith('<') ?? false;
