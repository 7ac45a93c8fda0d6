import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Change } from '../deployments/accept-change.ts';
import type { Deployments } from '../deployments/deployments.ts';
import type { ChangeContext } from '../deployments/idempotency.ts';
import type { Asking } from '../deployments/revising.ts';
import { createError, type RequestError, type RequestErrorCode, requestErrors } from '../errors.ts';
import type { Deployment, Operation } from '../schemas/deployment.ts';
import type { Failure } from '../schemas/failure.ts';
import { hangUpSignal } from './hang-up.ts';
import { readIdempotencyKey } from './idempotency.ts';
import { firstStageMs, type Preference, readPreference } from './prefer.ts';

const retryAfterSeconds = '1';

/** What a change needs to know of its request, beside the caller and the body. */
export function changeOf(request: FastifyRequest): ChangeContext {
  return {
    requestId: request.id,
    route: `${request.method} ${request.routeOptions.url}`,
    idempotencyKey: readIdempotencyKey(request.headers['idempotency-key']),
  };
}

/** How a change of a deployment is asked for: its context, what was read before, and the query. */
export function askingOf<Query extends Omit<Asking, 'context' | 'isExpected'>>(
  request: FastifyRequest,
  query: Query,
): Query & Asking {
  const header = request.headers['if-match'];
  const expected = header === undefined || header.trim() === '*' ? {} : { isExpected: expecting(header) };
  return { ...query, context: changeOf(request), ...expected };
}

const expecting = (header: string) => (deployment: Deployment) => {
  const tags = header.split(',').map(tag => tag.trim());
  return tags.includes(etagOf(deployment));
};

/** Who sends a whole spec, or a part of one, says what he has read: a change in between is not overwritten. */
export function requireIfMatch({ headers }: FastifyRequest): void {
  if (headers['if-match'] !== undefined) return;
  throw createError(
    'PreconditionRequired',
    'Send If-Match with the ETag of the deployment that you have read, or `*` to change it whatever it is.',
  );
}

/**
 * Answers an accepted change: after its first stage (at most 5 s), or as `Prefer` asks. What the first stage refused is
 * answered as an error, with the place of its record.
 */
export async function answerChange(
  request: FastifyRequest,
  reply: FastifyReply,
  change: Change,
  deployments: Deployments,
): Promise<Deployment> {
  const preference = readPreference(request.headers.prefer);
  const { deployment, operation } = await waitFor(change, preference, deployments, hangUpSignal(reply));
  reply.headers({
    location: `/deployments/${deployment.id}`,
    'operation-location': `/operations/${operation.id}`,
    ...(preference.applied ? { 'preference-applied': preference.applied } : {}),
    ...(change.replayed ? { 'idempotency-replayed': 'true' } : {}),
  });
  if (preference.waitMs === null && refusedAtOnce(operation))
    throw refused(operation.failure, deployment, operation);
  const ended = preference.waitMs !== null && operation.endedAt !== null;
  reply.code(ended ? 200 : 202).header('etag', etagOf(deployment));
  if (operation.endedAt === null) reply.header('retry-after', retryAfterSeconds);
  return deployment;
}

async function waitFor(
  change: Change,
  preference: Preference,
  deployments: Deployments,
  signal: AbortSignal,
) {
  if (preference.respondAsync) return change;
  if (preference.waitMs === null) return deployments.waitForFirstStage(change, firstStageMs, signal);
  return deployments.waitForEnd(change, preference.waitMs, signal);
}

function refusedAtOnce(operation: Operation): operation is Operation & { failure: Failure } {
  return operation.status === 'Failed' && operation.failure?.stage === 'Resolving';
}

/** Some failures have a status of their own; all others are 422. */
function refused(failure: Failure, deployment: Deployment, operation: Operation): RequestError {
  const code: RequestErrorCode =
    failure.code in requestErrors ? (failure.code as RequestErrorCode) : 'DeploymentRefused';
  const status = requestErrors[code][0];
  return createError(status === 400 ? 'DeploymentRefused' : code, failure.detail, {
    failure,
    accepted: true,
    members: { deployment: `/deployments/${deployment.id}`, operation: `/operations/${operation.id}` },
  });
}

/** Answers a read: 304 where the caller has it already. */
export function answerDeployment(
  request: FastifyRequest,
  reply: FastifyReply,
  deployment: Deployment,
): Deployment | FastifyReply {
  const etag = etagOf(deployment);
  reply.header('etag', etag);
  if (request.url.includes(':')) reply.header('content-location', `/deployments/${deployment.id}`);
  if (!deployment.settled) reply.header('retry-after', retryAfterSeconds);
  const { applied } = readPreference(request.headers.prefer);
  if (applied) reply.header('preference-applied', applied);
  return matches(request.headers['if-none-match'], etag) ? reply.code(304).send(null) : deployment;
}

/** Changes with status and revision, not with counters. */
function etagOf(deployment: Deployment): string {
  return `"${deployment.revision}-${deployment.operation.slice(-12)}-${deployment.status}"`;
}

function matches(header: string | undefined, etag: string): boolean {
  return (header ?? '').split(',').some(tag => ['*', etag, `W/${etag}`].includes(tag.trim()));
}
