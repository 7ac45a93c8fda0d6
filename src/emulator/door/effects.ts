import type { IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Effect } from './faults.ts';
import type { DoorResponse } from './response.ts';

/** Does to a request what the fault says; true where it is still to be handled. */
export async function apply(
  effect: Effect,
  request: IncomingMessage,
  response: DoorResponse,
): Promise<boolean> {
  switch (effect.kind) {
    case 'response':
      send(request, response, effect.status, effect.headers, effect.body);
      return false;
    case 'echoRequest':
      send(request, response, effect.status, {}, await echo(request));
      return false;
    case 'reset':
    case 'outage':
      request.socket.destroy();
      return false;
    case 'delayMs':
      await sleep(effect.delayMs, undefined, { ref: false });
      return !response.destroyed;
    case 'truncateAt':
      response.spoil = { truncateAt: effect.bytes };
      return true;
    case 'alter':
      response.spoil = { alteration: effect.alteration };
      return true;
    case 'dripBytesPerSecond':
      response.spoil = { bytesPerSecond: effect.bytes };
      return true;
  }
}

function send(
  request: IncomingMessage,
  response: DoorResponse,
  status: number,
  headers: Record<string, string>,
  body: unknown,
): void {
  request.resume();
  const isText = typeof body === 'string';
  const content = body === undefined ? '' : isText ? body : JSON.stringify(body);
  response.statusCode = status;
  response.setHeader(
    'content-type',
    isText ? 'text/plain; charset=utf-8' : 'application/json; charset=utf-8',
  );
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  response.end(content);
}

/** An error whose message is the whole request, as servers in debug mode and careless proxies answer. */
async function echo(request: IncomingMessage): Promise<object> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(Buffer.from(chunk));
  const lines = Object.entries(request.headers).map(([name, value]) => `${name}: ${String(value)}`);
  const body = Buffer.concat(chunks).toString('utf8');
  const message = [`${request.method} ${request.url} HTTP/1.1`, ...lines, '', body].join('\r\n');
  return { error: { code: 'InvalidRequest', message: `The request could not be processed: ${message}` } };
}
