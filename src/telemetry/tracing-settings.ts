import { Secret } from '../secret.ts';
import type { Attributes, TraceContext } from './trace.ts';

/** Where traces go, by OpenTelemetry's own variables. */
export interface TracingSettings {
  url: string;
  headers: Record<string, Secret>;
  timeoutMs: number;
  resource: Attributes;
  sample(traceId: string, parent: TraceContext | null): boolean;
}

type Env = Record<string, string | undefined>;

/** Reads them; null where no traces are wanted. Throws a sentence that names the variable. */
export function readTracing(env: Env): TracingSettings | null {
  const exporter = env.OTEL_TRACES_EXPORTER || null;
  if (exporter !== null && !['otlp', 'none'].includes(exporter))
    throw new Error(`OTEL_TRACES_EXPORTER must be otlp or none, not '${exporter}'`);
  const url = endpoint(env) ?? (exporter === 'otlp' ? 'http://localhost:4318/v1/traces' : null);
  if (url === null || exporter === 'none' || env.OTEL_SDK_DISABLED?.toLowerCase() === 'true') return null;
  const protocol = specific(env, 'PROTOCOL') || 'http/json';
  if (protocol !== 'http/json')
    throw new Error(
      `OTEL_EXPORTER_OTLP_PROTOCOL must be http/json, which every OTLP/HTTP receiver takes, not '${protocol}'`,
    );
  return {
    url,
    headers: headers(specific(env, 'HEADERS') ?? ''),
    timeoutMs: milliseconds(specific(env, 'TIMEOUT') ?? '10000'),
    resource: resource(env),
    sample: sampler(env),
  };
}

/** What is said of traces goes before what is said of all signals. */
const specific = (env: Env, name: string) =>
  env[`OTEL_EXPORTER_OTLP_TRACES_${name}`] || env[`OTEL_EXPORTER_OTLP_${name}`];

/** The one of traces is the whole address, the general one its beginning. */
function endpoint(env: Env): string | null {
  const own = env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT;
  const text = own || env.OTEL_EXPORTER_OTLP_ENDPOINT;
  if (!text) return null;
  const url = URL.parse(text);
  if (!url || !/^https?:$/.test(url.protocol) || url.username || url.password || url.search)
    throw new Error('OTEL_EXPORTER_OTLP_ENDPOINT must be an http or https address without login and query');
  return own ? url.href : `${url.href.replace(/\/$/, '')}/v1/traces`;
}

/** `name=value,name=value`, values in percent encoding. They may hold a key: none is repeated. */
function pairs(text: string, name: string): [string, string][] {
  return text
    .split(',')
    .map(pair => pair.trim())
    .filter(Boolean)
    .map(pair => {
      const [, key = '', value = ''] = /^([^=\s]+)\s*=\s*(.*)$/s.exec(pair) ?? [];
      try {
        if (key) return [key, decodeURIComponent(value)];
      } catch {}
      throw new Error(`${name} must be name=value pairs apart by commas, values in percent encoding`);
    });
}

function headers(text: string): Record<string, Secret> {
  const found = pairs(text, 'OTEL_EXPORTER_OTLP_HEADERS');
  for (const [name, value] of found)
    if (!/^[\w!#$%&'*+.^`|~-]+$/.test(name) || !/^[\t\x20-\x7e]*$/.test(value))
      throw new Error('OTEL_EXPORTER_OTLP_HEADERS must be headers as HTTP knows them');
  return Object.fromEntries(found.map(([name, value]) => [name.toLowerCase(), new Secret(value)]));
}

function resource(env: Env): Attributes {
  const said = Object.fromEntries(pairs(env.OTEL_RESOURCE_ATTRIBUTES ?? '', 'OTEL_RESOURCE_ATTRIBUTES'));
  return {
    'service.name': 'slipway',
    ...said,
    ...(env.OTEL_SERVICE_NAME ? { 'service.name': env.OTEL_SERVICE_NAME } : {}),
  };
}

function milliseconds(text: string): number {
  if (!/^\d{1,6}$/.test(text) || Number(text) === 0)
    throw new Error(`OTEL_EXPORTER_OTLP_TIMEOUT must be milliseconds, not '${text}'`);
  return Number(text);
}

const samplers = ['always_on', 'always_off', 'traceidratio'];

/** By the trace's id, so that all who see it decide alike. A parent may leave it out (`parentbased_`), and never forces it in. */
function sampler(env: Env): TracingSettings['sample'] {
  const name = env.OTEL_TRACES_SAMPLER || 'parentbased_always_on';
  const own = name.replace(/^parentbased_/, '');
  if (!samplers.includes(own))
    throw new Error(
      `OTEL_TRACES_SAMPLER must be one of ${samplers.join(', ')}, or parentbased_ and one of them, not '${name}'`,
    );
  const ratio = own === 'traceidratio' ? ratioOf(env.OTEL_TRACES_SAMPLER_ARG) : Number(own === 'always_on');
  const heeds = name !== own;
  return (traceId, parent) =>
    Number.parseInt(traceId.slice(-13), 16) < ratio * 16 ** 13 && !(heeds && parent?.sampled === false);
}

function ratioOf(text = '1'): number {
  const ratio = Number(text || '1');
  if (!(ratio >= 0 && ratio <= 1))
    throw new Error(`OTEL_TRACES_SAMPLER_ARG must be from 0 to 1, not '${text}'`);
  return ratio;
}
