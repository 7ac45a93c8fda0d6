/** One call that goes wrong once: of which dependency, how, and in which step of a deployment's life. */
export interface Cell {
  dependency: Dependency;
  step: Step;
  fault: string;
  effect: object;
  /** The failure that ends the step; null where it ends as if nothing had been. */
  code: string | null;
}

export type Dependency = 'ARM' | 'Key Vault' | 'registry';
export type Step = 'create' | 'watch' | 'change' | 'restart' | 'cancel' | 'delete';

const armError = (code: string) => ({ error: { code, message: `${code}, by the proof` } });
const answer = (status: number, body: unknown, headers = {}) => ({ response: { status, body, headers } });

// All but the last pass: a call that is made again is answered. The last is a refusal.
const faults: Record<string, object> = {
  '429 with Retry-After': answer(429, armError('TooManyRequests'), { 'retry-after': '1' }),
  '429 without': answer(429, armError('TooManyRequests')),
  '500': answer(500, armError('InternalServerError')),
  '502 of a proxy': answer(502, '<html><h1>Bad Gateway</h1></html>'),
  '503 with Retry-After': answer(503, armError('ServerTimeout'), { 'retry-after': '1' }),
  '504': answer(504, armError('GatewayTimeout')),
  '408': answer(408, armError('RequestTimeout')),
  'connection reset': { reset: true },
  outage: { outage: true },
  'answer cut short': { truncateAt: 20 },
  'answer that drips': { dripBytesPerSecond: 2 },
  'no answer in time': { delayMs: 25_000 },
  '200 that is no JSON': answer(200, '<html><h1>Welcome</h1></html>'),
  '403': answer(403, armError('AuthorizationFailed')),
};

const slow = new Set(['answer that drips', 'no answer in time']);
const steps: Record<Dependency, Step[]> = {
  ARM: ['create', 'watch', 'change', 'restart', 'cancel', 'delete'],
  'Key Vault': ['create', 'change'],
  registry: ['create', 'change'],
};

// As each says it.
const refusal: Record<Dependency, object> = {
  ARM: answer(403, armError('AuthorizationFailed')),
  'Key Vault': answer(403, {
    error: {
      code: 'Forbidden',
      message: 'Caller is not authorized',
      innererror: { code: 'ForbiddenByRbac' },
    },
  }),
  registry: answer(403, {
    errors: [{ code: 'DENIED', message: 'requested access to the resource is denied' }],
  }),
};
const refusals: Record<Dependency, string> = {
  ARM: 'AuthorizationFailed',
  'Key Vault': 'VaultAccessDenied',
  registry: 'RegistryAccessDenied',
};

/** A cancel is tried again whatever Azure said: what nobody wants must not stay. */
const refusalOf = (dependency: Dependency, step: Step) => (step === 'cancel' ? null : refusals[dependency]);

/** All cells; or, for the short form, every fault and every step in some cell, and none that takes its time. */
export function planMatrix({ full }: { full: boolean }): Cell[] {
  const cells = Object.entries(steps).flatMap(([dependency, those]) =>
    those.flatMap(step =>
      Object.entries(faults).map(([fault, effect]) => {
        const at = dependency as Dependency;
        if (fault !== '403') return { dependency: at, step, fault, effect, code: null };
        return {
          dependency: at,
          step,
          fault,
          effect: refusal[at],
          code: refusalOf(at, step),
        };
      }),
    ),
  );
  return full
    ? cells
    : cells.filter(({ fault }, index) => index % 4 === Math.floor(index / 14) % 4 && !slow.has(fault));
}
