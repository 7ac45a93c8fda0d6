/** The longest that a request may wait: proxies in front of us commonly end requests after 60 s. */
export const longestWaitMs = 48_000;
/** How long POST waits for the first stage when the caller asks for nothing. */
export const firstStageMs = 5_000;

export interface Preference {
  /** Milliseconds to wait for the end; null where the caller did not ask. */
  waitMs: number | null;
  /** Do not wait at all. */
  respondAsync: boolean;
  /** What `Preference-Applied` says, if anything. */
  applied: string | null;
}

const noPreference: Preference = { waitMs: null, respondAsync: false, applied: null };

/** Reads `Prefer` (RFC 7240). What is malformed or unknown is ignored, as the RFC has it; the first of a kind counts. */
export function readPreference(header: string | string[] | undefined): Preference {
  if (header === undefined) return noPreference;
  const tokens = [header ?? []]
    .flat()
    .join(',')
    .split(',')
    .map(token => token.trim().toLowerCase());
  const seconds = tokens.map(token => /^wait\s*=\s*"?(\d{1,9})"?$/.exec(token)?.[1]).find(Boolean);
  const respondAsync = tokens.includes('respond-async');
  const waitMs = seconds === undefined ? null : Math.min(Number(seconds) * 1000, longestWaitMs);
  return { waitMs, respondAsync, applied: applied(waitMs, respondAsync) };
}

function applied(waitMs: number | null, respondAsync: boolean): string | null {
  if (waitMs !== null) return `wait=${Math.floor(waitMs / 1000)}`;
  return respondAsync ? 'respond-async' : null;
}
