import { type Operations, routes } from './api.ts';
import { type Answer, type CallOptions, type ConnectionOptions, createConnection } from './connection.ts';
import { follow, type StreamEvent } from './stream.ts';

export type * from './api.ts';
export type { Answer, CallOptions, ConnectionOptions } from './connection.ts';
export { NoAnswer, RefusedCall } from './failed-call.ts';
export type { StreamEvent } from './stream.ts';

type OperationId = keyof Operations;
type Input<K extends OperationId> = Operations[K]['input'];
type Output<K extends OperationId> = Operations[K]['output'];
type Arguments<I> =
  Record<never, never> extends I ? [input?: I, options?: CallOptions] : [input: I, options?: CallOptions];
/** The operations that answer in pages. */
type PagedId = {
  [K in OperationId]: NonNullable<Output<K>> extends { value: unknown[]; nextLink?: string } ? K : never;
}[OperationId];

type Calls = { [K in OperationId]: (...args: Arguments<Input<K>>) => Promise<Answer<Output<K>>> };

/**
 * Every operation of the API under its `operationId`. A status from 400 is thrown as `RefusedCall`, no answer as
 * `NoAnswer`, after what passes was tried again for `retryForMs`.
 */
export interface Client extends Calls {
  /** Each item of all pages: `for await (const deployment of client.each('listDeployments', { team: 'orders' }))`. */
  each<K extends PagedId>(
    id: K,
    ...args: Arguments<Input<K>>
  ): AsyncGenerator<NonNullable<Output<K>> extends { value: (infer Item)[] } ? Item : never>;
  /** Server-sent events until the server ends them, over as many connections as it takes. */
  stream<K extends OperationId>(id: K, ...args: Arguments<Input<K>>): AsyncGenerator<StreamEvent>;
}

export function createClient(options: ConnectionOptions): Client {
  const connection = createConnection(options);
  const call = (id: OperationId, input: Members = {}, more: CallOptions = {}) =>
    connection.send({ ...more, ...askedFor(id, input) });
  const calls = Object.fromEntries(
    (Object.keys(routes) as OperationId[]).map(id => [
      id,
      (input?: Members, more?: CallOptions) => call(id, input, more),
    ]),
  );
  return {
    // Their types are those that were generated with the routes.
    ...(calls as unknown as Calls),
    async *each(id, ...[input, more]) {
      let next: Members | null = { ...input };
      while (next) {
        const { value, nextLink } = (await call(id, next, more)).body as Page;
        yield* value as never[];
        next = nextLink ? { ...input, ...queryOf(nextLink) } : null;
      }
    },
    stream: (id, ...[input, more]) => follow(connection, { ...more, ...askedFor(id, { ...input }) }),
  };
}

type Members = Record<string, unknown>;
interface Page {
  value: unknown[];
  nextLink?: string;
}

function askedFor(id: OperationId, { body, ...parameters }: Members) {
  const [method, template] = routes[id];
  const query = new URLSearchParams();
  const inPath = new Set([...template.matchAll(/\{(\w+)\}/g)].map(([, name]) => name));
  for (const [name, value] of Object.entries(parameters))
    if (value !== undefined && !inPath.has(name)) query.append(name, String(value));
  const path = template.replace(/\{(\w+)\}/g, (_whole, name: string) =>
    encodeURIComponent(String(parameters[name])),
  );
  const search = query.size > 0 ? `?${query}` : '';
  // Merge patches (RFC 7396) have a type of their own.
  const contentType = String(method) === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
  return { method, path: `${path}${search}`, ...(body === undefined ? {} : { body, contentType }) };
}

const queryOf = (link: string): Members => Object.fromEntries(new URL(link, 'http://here').searchParams);
