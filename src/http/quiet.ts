import { Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';

const quietMs = 50;
// Who asks again and again may have kept another connection for his next request.
const quietAmongCallersMs = 1_000;
const longestMs = 2_000;

/**
 * Before connections are closed: the listener goes in a moment in which nobody comes, and what it took before is read and
 * answered. Callers are told with each answer to let go of their connections, and have it once the listener is gone: who
 * is answered comes back, and a connection that is in the listener's line then is reset (measured: one of two stops under
 * load). A connection that was taken and not yet read counts as idle, and would be closed too.
 */
export function leaveQuietly(app: FastifyInstance): () => Promise<void> {
  let requests = 0;
  let gone: Promise<void> | null = null;
  app.addHook('onRequest', (_request, _reply, done) => {
    requests += 1;
    done();
  });
  app.addHook('onSend', (_request, reply, _payload, done) => {
    if (!gone) return done();
    // Else a kept-alive connection holds the stop up for as long as it may idle (measured).
    reply.header('connection', 'close');
    void gone.then(() => done());
  });
  return async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    gone = promise;
    const before = requests;
    await quiet(quietMs);
    await shortTurn();
    // The server's own closes what is idle as well.
    if (app.server.listening) Server.prototype.close.call(app.server);
    resolve();
    await quiet(requests === before ? quietMs : quietAmongCallersMs);
  };

  async function quiet(ms: number): Promise<void> {
    const until = performance.now() + longestMs;
    for (let seen = -1; seen !== requests && performance.now() < until; ) {
      seen = requests;
      await sleep(ms);
      // After a long turn the timers come before what has arrived meanwhile.
      await new Promise(done => setImmediate(done));
    }
  }
}

const shortMs = 0.3;
const mostTurns = 100;

/** A turn of the event loop in which next to nothing was done: whoever has come is taken. */
async function shortTurn(): Promise<void> {
  for (let turn = 0, begun = performance.now(); turn < mostTurns; turn += 1, begun = performance.now()) {
    await new Promise(done => setImmediate(done));
    if (performance.now() - begun < shortMs) return;
  }
}
