import { isIP } from 'node:net';
import { createHttpHeaders, type HttpClient, type PipelineResponse } from '@azure/core-rest-pipeline';
import { ClientSecretCredential } from '@azure/identity';
import { Agent, buildConnector, type Dispatcher, request } from 'undici';
import { administrator } from '../../src/emulator/demo-ids.ts';
import { type Emulator, type EmulatorOptions, startEmulator } from '../../src/emulator/emulator.ts';

/** An emulator in this process, and what it takes to ask it under Azure's own names with verification on. */
export interface TestEmulator extends Emulator {
  /** For undici's `request`, `fetch` and the service's own clients: every host name leads to the emulator. */
  dispatcher: Agent;
  /** For the Azure SDKs: `new SecretClient(url, credential, { httpClient })`. */
  httpClient: HttpClient;
  /** Signs in as the emulator's administrator, through `httpClient`. */
  administrator: ClientSecretCredential;
  ask(url: string, init?: Ask): Promise<Answer>;
}

export interface Ask {
  method?: Dispatcher.HttpMethod;
  headers?: Record<string, string>;
  body?: string | Buffer | object;
  token?: string;
}

export interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  text: string;
  // biome-ignore lint/suspicious/noExplicitAny: what a test reads of a JSON answer is the test's business.
  json: any;
}

type Teardown = { teardown(done: () => unknown): unknown };

/** Port 0, in memory unless `dataDir` is given; closed when the test ends. */
export async function startTestEmulator(t: Teardown, options: EmulatorOptions = {}): Promise<TestEmulator> {
  const emulator = await startEmulator({ port: 0, ...options });
  const dispatcher = mapToPort(emulator.port, emulator.ca);
  t.teardown(async () => {
    await dispatcher.destroy();
    await emulator.close();
  });
  const httpClient = createHttpClient(dispatcher);
  const credential = new ClientSecretCredential(
    emulator.world.tenantId,
    administrator.clientId,
    administrator.secret,
    { httpClient },
  );
  return Object.assign(emulator, {
    dispatcher,
    httpClient,
    administrator: credential,
    ask: (url: string, init: Ask = {}) => ask(dispatcher, url, init),
  });
}

/** Leads every https host to one port of this machine; certificates are checked against the name that was asked. */
export function mapToPort(port: number, ca: string): Agent {
  const connect = buildConnector({ ca });
  return new Agent({
    connections: 64,
    connect: (target, done) =>
      connect(
        // An address as server name is refused by TLS.
        {
          ...target,
          hostname: '127.0.0.1',
          port: String(port),
          servername: isIP(target.hostname) ? '' : target.hostname,
        },
        done,
      ),
  });
}

export function createHttpClient(dispatcher: Dispatcher): HttpClient {
  return {
    async sendRequest(asked): Promise<PipelineResponse> {
      const headers = asked.headers.toJSON({ preserveCase: true });
      delete headers['Accept-Encoding'];
      const answer = await request(asked.url, {
        method: asked.method,
        headers,
        body: typeof asked.body === 'string' ? asked.body : null,
        dispatcher,
        ...(asked.abortSignal ? { signal: toSignal(asked.abortSignal) } : {}),
      });
      const text = await answer.body.text();
      return {
        request: asked,
        status: answer.statusCode,
        headers: createHttpHeaders(flatten(answer.headers)),
        bodyAsText: text,
      };
    },
  };
}

async function ask(dispatcher: Dispatcher, url: string, init: Ask): Promise<Answer> {
  const raw = typeof init.body === 'string' || Buffer.isBuffer(init.body) || init.body === undefined;
  const answer = await request(url, {
    method: init.method ?? (init.body === undefined ? 'GET' : 'POST'),
    headers: {
      ...(raw ? {} : { 'content-type': 'application/json' }),
      ...(init.token ? { authorization: `Bearer ${init.token}` } : {}),
      ...init.headers,
    },
    body: raw ? ((init.body as string | Buffer | undefined) ?? null) : JSON.stringify(init.body),
    dispatcher,
  });
  const text = await answer.body.text();
  return { status: answer.statusCode, headers: answer.headers, text, json: parse(text) };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function flatten(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, Array.isArray(value) ? value.join(', ') : value]],
    ),
  );
}

function toSignal(signal: {
  aborted: boolean;
  addEventListener(type: 'abort', listener: () => void): void;
}): AbortSignal {
  const controller = new AbortController();
  if (signal.aborted) controller.abort();
  signal.addEventListener('abort', () => controller.abort());
  return controller.signal;
}
