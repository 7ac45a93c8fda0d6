import type { FastifyReply, FastifyRequest } from 'fastify';
import { armHost } from '../door/hosts.ts';
import type { Admission, ArmKind, Limits } from '../limits/limits.ts';
import { ArmError } from './errors.ts';

/** Counts a request of `principal`: every answer says how many are left. Throws 429 where there were too many. */
export function throttle(
  request: FastifyRequest,
  reply: FastifyReply,
  limits: Limits,
  principal: string,
): void {
  const kind = kindOf(request.method);
  const subscription = /^\/subscriptions\/([^/?]+)/i.exec(request.originalUrl)?.[1];
  const asked = limits.askArm({ kind, subscription, principal, region: regionOf(request.headers.host) });
  reply.headers(asked.headers);
  if (asked.retryAfter === undefined) return;
  const scope = subscription === undefined ? 'tenant' : `subscription '${subscription}'`;
  throw tooMany(
    limits,
    asked,
    'SubscriptionRequestsThrottled',
    `Number of '${kind.slice(0, -1)}' requests for ${scope} actor '${principal}' exceeded. Please try again after '${asked.retryAfter}' seconds after additional tokens are available. Refer to https://aka.ms/arm-throttling for additional information.`,
  );
}

function kindOf(method: string): ArmKind {
  if (method === 'GET' || method === 'HEAD') return 'reads';
  return method === 'DELETE' ? 'deletes' : 'writes';
}

/** The endpoint that was asked: each region counts by itself. */
function regionOf(host = ''): string {
  const name = host.replace(/:\d+$/, '').toLowerCase();
  return name.endsWith(`.${armHost}`) ? name.slice(0, -armHost.length - 1) : 'global';
}

/** 429, with `Retry-After` unless a test left it out. */
export function tooMany(limits: Limits, { retryAfter }: Admission, code: string, message: string): ArmError {
  const headers = limits.settings().retryAfter ? { 'retry-after': String(retryAfter) } : {};
  return new ArmError(429, code, message, { headers });
}
