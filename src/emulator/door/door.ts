import type { IncomingMessage } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { FastifyInstance } from 'fastify';
import type { Service } from '../parts.ts';
import { callerOf } from './callers.ts';
import type { Certificates } from './certificates.ts';
import { apply } from './effects.ts';
import type { Fault, Faults } from './faults.ts';
import { hostMeant } from './hosts.ts';
import type { Journal } from './journal.ts';
import { DoorResponse } from './response.ts';
import { notImplemented } from './service-app.ts';

export interface Door {
  certificates: Certificates;
  services: Service[];
  /** The control surface: `/_emulator/...` on any host. */
  control: FastifyInstance;
  journal: Journal;
  faults: Faults;
  clock: { now(): number };
  /** Keeps what changed; undefined where nothing did. */
  flush(): Promise<void> | undefined;
}

type DoorServer = Server<typeof IncomingMessage, typeof DoorResponse>;

/** The one HTTPS server: `Host` says who is meant, SNI only picks the certificate. */
export function createDoor(door: Door): DoorServer {
  const { certificates } = door;
  const options = {
    ...certificates.fallback,
    ServerResponse: DoorResponse,
    SNICallback: (
      name: string,
      done: (error: null, context: ReturnType<Certificates['contextFor']>) => void,
    ) => done(null, certificates.contextFor(name)),
    keepAliveTimeout: 30_000,
  };
  return createServer<typeof IncomingMessage, typeof DoorResponse>(options, (request, response) => {
    void admit(door, request, response as DoorResponse).catch(error => {
      console.error('azure emulator:', error);
      response.destroy();
    });
  });
}

async function admit(door: Door, request: IncomingMessage, response: DoorResponse): Promise<void> {
  const path = request.url ?? '/';
  if (path.startsWith('/_emulator/')) {
    response.beforeEnd = door.flush;
    return door.control.routing(request, response);
  }
  const host = hostMeant(request.headers.host, path);
  const method = request.method ?? 'GET';
  const fault = door.faults.meet({ host, method, path });
  keepJournal(door, request, response, { host, method, path, fault });
  if (fault && !(await apply(fault.effect, request, response))) return;
  const service = door.services.find(each => each.answersFor(host));
  if (service) service.app.routing(request, response);
  else refuseUnknownHost(request, response);
}

function keepJournal(
  door: Door,
  request: IncomingMessage,
  response: DoorResponse,
  asked: { host: string; method: string; path: string; fault: Fault | undefined },
): void {
  const { fault, ...rest } = asked;
  const at = new Date(door.clock.now()).toISOString();
  const clientRequestId = request.headers['x-ms-client-request-id'];
  let recorded = false;
  function record(status: number): void {
    if (recorded) return;
    recorded = true;
    door.journal.record({
      at,
      ...rest,
      status,
      caller: callerOf(request),
      ...(typeof clientRequestId === 'string' ? { clientRequestId } : {}),
      ...(fault ? { fault: fault.id } : {}),
      ...(status === 501 && !fault ? { unexpected: true } : {}),
    });
  }
  // Before the answer leaves: who has read it finds it in the journal.
  response.beforeEnd = () => {
    const flushed = door.flush()?.then(() => record(response.statusCode));
    if (!flushed) record(response.statusCode);
    return flushed;
  };
  response.once('close', () => record(0));
}

function refuseUnknownHost(request: IncomingMessage, response: DoorResponse): void {
  request.resume();
  response.writeHead(501, { 'content-type': 'application/json' });
  response.end(JSON.stringify(notImplemented(`for the host '${request.headers.host ?? ''}'`)));
}
