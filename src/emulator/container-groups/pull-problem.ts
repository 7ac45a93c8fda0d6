import { STATUS_CODES } from 'node:http';
import type { Answer } from '../parts.ts';

/** Why an image does not come. */
export interface PullProblem {
  ok: false;
  why: 'inaccessible' | 'registryError' | 'platform';
  host: string;
  /** As a container engine says it. */
  text: string;
}

/** What a registry's refusal means. */
export function refusedBy(answer: Answer, host: string): PullProblem {
  const { status } = answer;
  const why = status === 429 || status >= 500 ? 'registryError' : 'inaccessible';
  return { ok: false, why, host, text: (status < 500 && said(answer)) || saidByStatus(status) };
}

function said(answer: Answer): string | undefined {
  const { errors, details } = read(answer);
  const [first] = Array.isArray(errors) ? errors : [];
  if (first?.code) return `${words(first.code)}: ${first.message || words(first.code)}`;
  // Docker Hub's token endpoint has a form of its own.
  return details ? `unauthorized: ${details}` : undefined;
}

/** `MANIFEST_UNKNOWN` is `manifest unknown`. */
const words = (code: string) => code.toLowerCase().replaceAll('_', ' ');

interface Refusal {
  errors?: { code?: string; message?: string }[];
  details?: string;
}

function read({ body }: Answer): Refusal {
  try {
    const found: Refusal | null = JSON.parse(body.toString('utf8'));
    return typeof found === 'object' && found !== null ? found : {};
  } catch {
    return {};
  }
}

function saidByStatus(status: number): string {
  if (status === 401) return 'unauthorized: authentication required';
  if (status === 404) return 'manifest unknown: manifest unknown';
  if (status === 429) return 'toomanyrequests: Too Many Requests';
  return `received unexpected HTTP status: ${status} ${STATUS_CODES[status] ?? ''}`.trim();
}

/** A registry that does not answer at all. */
export function unreachable(error: unknown, host: string): PullProblem {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return { ok: false, why: 'inaccessible', host, text: networkText(code, host) };
}

function networkText(code: string, host: string): string {
  if (code === 'ENOTFOUND') return `dial tcp: lookup ${host}: no such host`;
  if (code === 'ECONNREFUSED') return `dial tcp ${host}: connect: connection refused`;
  if (code === 'ECONNRESET' || code === 'UND_ERR_SOCKET')
    return `read tcp ${host}: read: connection reset by peer`;
  if (/TIMEOUT/.test(code))
    return 'net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)';
  return 'EOF';
}

export function noPlatform(os: string, host: string): PullProblem {
  const text = `no matching manifest for ${os}/amd64 in the manifest list entries`;
  return { ok: false, why: 'platform', host, text };
}
