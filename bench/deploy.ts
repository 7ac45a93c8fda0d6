import { setTimeout as sleep } from 'node:timers/promises';
import type { DeploymentRequest } from '../src/schemas/request.ts';
import { type createCaller, requestFor } from '../test/support/service.ts';

/** Asks for one, and again when it is told to come back later. Resolves with its id once it is accepted. */
export async function deployOne(
  ask: ReturnType<typeof createCaller>,
  name: string,
  more: Partial<DeploymentRequest>,
): Promise<string> {
  for (;;) {
    const { status, json, text, headers } = await ask('POST', '/deployments', {
      body: requestFor(name, more),
      headers: { prefer: 'respond-async', 'idempotency-key': name },
    });
    if (status === 202) return json.id;
    const seconds = Number(headers.get('retry-after'));
    if (!(seconds > 0)) throw new Error(`${status} ${text}`);
    await sleep(seconds * 1_000);
  }
}
