/** Which of Resource Manager's buckets a request is taken from. */
export type ArmKind = 'reads' | 'writes' | 'deletes';

/** What an answer of Resource Manager says of its limits, and of those of container instances. */
export interface ArmAnswer {
  subscription: string;
  method: string;
  /** Lower case, without the query. */
  path: string;
  kind: ArmKind;
  status: number;
  /** Requests of its kind that are left; null where it does not say. */
  left: number | null;
  /** Creations or deletions of container groups that are left for five minutes and for an hour. */
  leftOfGroups: [number | null, number | null];
  /** `Retry-After` of a 429. */
  retryAfterMs: number | null;
}

type Headers = { get(name: string): string | undefined };

/** Null where the answer is none of Resource Manager's. */
export function readArmAnswer(
  asked: { url: string; method: string },
  { status, headers }: { status: number; headers: Headers },
): ArmAnswer | null {
  const { hostname, pathname } = new URL(asked.url);
  const path = pathname.toLowerCase();
  const [, subscription] = /^\/subscriptions\/([^/]+)/.exec(path) ?? [];
  if (!hostname.startsWith('management.') || !subscription) return null;
  const kind = kindOf(asked.method);
  const leftOf = (what: string) => integer(headers.get(`x-ms-ratelimit-remaining-subscription-${what}`));
  return {
    ...{ subscription, path, kind, status, method: asked.method, left: leftOf(kind) },
    leftOfGroups: [leftOf('resource-requests-pt5m'), leftOf('resource-requests-pt1h')],
    retryAfterMs: status === 429 ? readRetryAfter(headers.get('retry-after')) : null,
  };
}

function kindOf(method: string): ArmKind {
  if (method === 'GET' || method === 'HEAD') return 'reads';
  return method === 'DELETE' ? 'deletes' : 'writes';
}

const integer = (text: string | undefined) => (text && /^\d{1,9}$/.test(text) ? Number(text) : null);

/** `Retry-After` in seconds or as a date, as milliseconds from now. */
export function readRetryAfter(header: string | undefined): number | null {
  if (!header) return null;
  if (/^\d+$/.test(header)) return Number(header) * 1000;
  const at = Date.parse(header);
  return Number.isNaN(at) ? null : Math.max(0, at - Date.now());
}
