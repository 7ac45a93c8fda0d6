import { randomBytes, randomUUID } from 'node:crypto';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { findGroup, type GroupParts, groupPath, type OfGroup } from './group-requests.ts';
import { containerNotFound } from './logs.ts';
import { containersOf } from './own-life.ts';
import { readBody } from './read-body.ts';
import type { Shape } from './shape.ts';

type OfContainer = OfGroup & { Params: OfGroup['Params'] & { container: string } };

const execRequest: Shape = {
  type: 'ContainerExecRequest',
  members: {
    command: { kind: 'text' },
    terminalSize: {
      kind: { type: 'TerminalSize', members: { rows: { kind: 'integer' }, cols: { kind: 'integer' } } },
    },
  },
};

/**
 * Where to run a command in a container, or to follow it. A container that has ended has such an address too (recorded
 * traffic). Nobody answers there: a simulated container has no process.
 */
export function registerSessions(arm: FastifyInstance, all: GroupParts): void {
  arm.post<OfContainer>(`${groupPath}/containers/:container/exec`, async request => {
    requireContainer(request, all, 'containers/exec/action');
    const { terminalSize = {} }: { terminalSize?: { rows?: number; cols?: number } } = readBody(
      request,
      execRequest,
      all.access,
    );
    const { rows = 24, cols = 80 } = terminalSize;
    return openSession(request, 'execstream', `&rows=${rows}&cols=${cols}`);
  });
  arm.post<OfContainer>(`${groupPath}/containers/:container/attach`, async request => {
    requireContainer(request, all, 'containers/attach/action');
    return openSession(request, 'logstream', '');
  });
}

function requireContainer(request: FastifyRequest<OfContainer>, all: GroupParts, action: string): void {
  const { container } = request.params;
  const group = findGroup(request, all, action);
  const known = containersOf(group).some(({ name }) => name.toLowerCase() === container.toLowerCase());
  if (!known) throw containerNotFound(all.access, container, group.name);
}

function openSession(request: FastifyRequest, kind: string, more: string): object {
  return {
    webSocketUri: `wss://${request.headers.host}/${kind}/sessionId/${randomUUID()}?api-version=1.0${more}`,
    password: randomBytes(24).toString('base64url'),
  };
}
