import { BlockList } from 'node:net';
import type { FastifyInstance } from 'fastify';
import type { Clock } from '../clock.ts';
import type { Faults } from '../door/faults.ts';
import type { Journal } from '../door/journal.ts';
import { createServiceApp } from '../door/service-app.ts';
import type { Limits } from '../limits/limits.ts';
import type { ContainerGroups } from '../parts.ts';
import type { World } from '../world.ts';
import { readJournalQuery } from './journal-filter.ts';
import { createReader } from './reader.ts';
import { addToWorld } from './world-additions.ts';
import { viewWorld } from './world-view.ts';

export interface Controlled {
  world: World;
  clock: Clock;
  journal: Journal;
  faults: Faults;
  limits: Limits;
  groups: ContainerGroups;
  changed(): void;
  /** Back to the demo world. */
  reset(): void;
  /** A token for a client by its name or id, for `scope`; null where there is no such client or resource. */
  issueToken(client: string, scope: string): Promise<string | null>;
  issueAssertion(subject: string, audience: string, claims: Record<string, unknown>): Promise<string>;
  rotateKeys(): Promise<void>;
}

/** The control surface: `/_emulator/...` on any host, without a token, for this machine and private networks only. */
export function createControl(controlled: Controlled): FastifyInstance {
  const app = createServiceApp();
  app.addHook('onRequest', async (request, reply) => {
    const address = request.raw.socket.remoteAddress ?? '';
    if (near.check(address, address.includes(':') ? 'ipv6' : 'ipv4')) return;
    return reply
      .code(403)
      .send({ error: { code: 'Forbidden', message: 'The control surface answers nearby only.' } });
  });
  app.setErrorHandler<Error & { statusCode?: number }>((error, _request, reply) =>
    reply.code(error.statusCode ?? 400).send({ error: { code: 'BadRequest', message: error.message } }),
  );
  registerFaults(app, controlled.faults);
  registerLooks(app, controlled);
  registerLimits(app, controlled.limits);
  registerWorld(app, controlled);
  registerTokens(app, controlled);
  return app;
}

const near = new BlockList();
for (const [network, bits] of [
  ['127.0.0.0', 8],
  ['10.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
] as const)
  near.addSubnet(network, bits, 'ipv4');
near.addAddress('::1', 'ipv6');
near.addSubnet('fc00::', 7, 'ipv6');

type ById = { Params: { id: string } };

function registerFaults(app: FastifyInstance, faults: Faults): void {
  app.post('/_emulator/faults', async request => ({ id: faults.add(request.body) }));
  app.get('/_emulator/faults', async () => ({
    value: faults.list().map(fault => ({ ...fault, path: fault.path?.source })),
  }));
  app.delete('/_emulator/faults', async (_request, reply) => {
    faults.end();
    return reply.code(204).send();
  });
  app.delete<ById>('/_emulator/faults/:id', async (request, reply) =>
    reply.code(faults.end(request.params.id) ? 204 : 404).send(),
  );
}

function registerLooks(app: FastifyInstance, { journal, clock }: Controlled): void {
  app.get('/_emulator/journal', async request => {
    const { since, last, matches } = readJournalQuery(request.query);
    const found = journal.since(since).filter(matches);
    return { value: found.slice(Math.max(0, found.length - last)) };
  });
  app.get('/_emulator/unexpected', async () => ({ value: journal.unexpected() }));
  app.get('/_emulator/clock', async () => tellTime(clock));
  app.post('/_emulator/clock', async request => {
    const reader = createReader(request.body, '');
    const advanceMs = reader.number('advanceMs');
    const rate = reader.number('rate');
    if ((advanceMs === undefined) === (rate === undefined))
      throw new Error("it takes exactly one of 'advanceMs' and 'rate'");
    if ((advanceMs ?? rate ?? 0) < 0) throw new Error('time does not run backwards');
    if (clock.now() + (advanceMs ?? 0) > lastMoment)
      throw new Error(`'advanceMs' is too far: no date is so late`);
    if (advanceMs !== undefined) clock.advance(advanceMs);
    if (rate !== undefined) clock.setRate(rate);
    return tellTime(clock);
  });
}

/** The last that a date can say in four digits. */
const lastMoment = Date.UTC(9999, 11, 31);

const tellTime = (clock: Clock) => ({ now: new Date(clock.now()).toISOString(), rate: clock.rate });

function registerLimits(app: FastifyInstance, limits: Limits): void {
  app.get('/_emulator/limits', async () => limits.settings());
  app.patch('/_emulator/limits', async request => {
    limits.change(request.body);
    return limits.settings();
  });
  app.delete('/_emulator/limits', async (_request, reply) => {
    limits.reset();
    return reply.code(204).send();
  });
}

function registerWorld(app: FastifyInstance, { world, groups, changed, reset }: Controlled): void {
  app.post('/_emulator/lives', async (request, reply) => {
    if (!groups.lives) return reply.callNotFound();
    groups.lives(request.body);
    return {};
  });
  app.get('/_emulator/world', async () => viewWorld(world));
  app.post('/_emulator/world', async request => {
    addToWorld(world, request.body);
    changed();
    return viewWorld(world);
  });
  app.delete('/_emulator/world', async (_request, reply) => {
    reset();
    changed();
    return reply.code(204).send();
  });
}

function registerTokens(app: FastifyInstance, controlled: Controlled): void {
  app.post('/_emulator/token', async request => {
    const reader = createReader(request.body, '');
    const client = reader.text('client');
    const token = await controlled.issueToken(client, reader.text('scope', 'api://slipway/.default'));
    if (token === null) throw new Error(`there is no client '${client}', or no resource of that scope`);
    return { token };
  });
  app.post('/_emulator/assertion', async request => {
    const reader = createReader(request.body, '');
    const subject = reader.text('subject');
    const claims = reader.anything('claims');
    return { token: await controlled.issueAssertion(subject, reader.text('audience'), claims) };
  });
  app.post('/_emulator/keys/rotate', async (_request, reply) => {
    await controlled.rotateKeys();
    return reply.code(204).send();
  });
}
