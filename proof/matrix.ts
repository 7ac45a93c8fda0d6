/** One call that goes wrong once: of which dependency, how, in which step of a deployment's life, and what then has to become of the step. */
export interface Cell {
  dependency: Dependency;
  step: Step;
  fault: string;
  effect: object;
  /** The failure that ends the step; null where it ends as if nothing had been. */
  code: string | null;
}

export type Dependency = 'ARM' | 'Entra' | 'Key Vault' | 'registry';
export type Step = 'create' | 'watch' | 'change' | 'replace' | 'rollback' | 'restart' | 'cancel' | 'delete';

const steps: Step[] = ['create', 'watch', 'change', 'replace', 'rollback', 'restart', 'cancel', 'delete'];
const dependencies: Dependency[] = ['ARM', 'Entra', 'Key Vault', 'registry'];

/** Where a dependency is not asked nothing can go wrong; that it is not is proven too. */
const unasked: Partial<Record<Dependency, Step[]>> = {
  // Credentials are resolved, and images proven, where a group is sent; not where there is one already.
  'Key Vault': ['watch', 'cancel', 'delete'],
  // A restart pulls again; that is Azure's to do.
  registry: ['watch', 'restart', 'cancel', 'delete'],
};

type Effects = Record<Dependency, object>;

const answer = (status: number, body: unknown, headers = {}) => ({ response: { status, body, headers } });
const page = { 'content-type': 'text/html' };

/** An error as each of them words it. */
const worded = (code: string, message: string): Record<Dependency, unknown> => ({
  ARM: { error: { code, message } },
  Entra: { error: 'temporarily_unavailable', error_description: `AADSTS90033: ${message}` },
  'Key Vault': { error: { code, message } },
  registry: { errors: [{ code: 'UNKNOWN', message }] },
});
const every = (effect: object): Effects => ({
  ARM: effect,
  Entra: effect,
  'Key Vault': effect,
  registry: effect,
});
const said = (status: number, code: string, headers = {}): Effects => {
  const bodies = worded(code, `${code}, by the proof`);
  return {
    ARM: answer(status, bodies.ARM, headers),
    Entra: answer(status, bodies.Entra, headers),
    'Key Vault': answer(status, bodies['Key Vault'], headers),
    registry: answer(status, bodies.registry, headers),
  };
};

/** Longer than Slipway waits for any of them. */
const tooLateMs = 55_000;
const soon = { 'retry-after': '1' };

const faults: Record<string, Effects> = {
  '429 with Retry-After': said(429, 'TooManyRequests', soon),
  '429 without': said(429, 'TooManyRequests'),
  '500': said(500, 'InternalServerError'),
  '502 of a proxy': every(answer(502, '<html><h1>Bad Gateway</h1></html>', page)),
  '503 with Retry-After': said(503, 'ServerTimeout', soon),
  'connection reset': every({ reset: true }),
  'answer cut short': every({ truncateAt: 20 }),
  'answer that drips': every({ dripBytesPerSecond: 2 }),
  'no answer in time': every({ delayMs: tooLateMs }),
  '200 that is no JSON': every(answer(200, '<html><h1>Welcome</h1></html>', page)),
  '200 of another form': every(answer(200, { welcome: true })),
  '401': {
    ARM: answer(401, { error: { code: 'InvalidAuthenticationToken', message: 'The token is invalid.' } }),
    Entra: answer(401, {
      error: 'invalid_client',
      error_description: 'AADSTS7000215: Invalid client secret provided.',
    }),
    'Key Vault': answer(401, { error: { code: 'Unauthorized', message: 'AKV10022: Invalid audience.' } }),
    registry: answer(401, { errors: [{ code: 'UNAUTHORIZED', message: 'authentication required' }] }),
  },
  '403': {
    ARM: answer(403, { error: { code: 'AuthorizationFailed', message: 'The client lacks authorization.' } }),
    Entra: answer(403, {
      error: 'access_denied',
      error_description: 'AADSTS53003: Access has been blocked by Conditional Access policies.',
    }),
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
  },
  '404': {
    ARM: answer(404, {
      error: { code: 'ResourceGroupNotFound', message: 'The resource group could not be found.' },
    }),
    Entra: answer(404, {
      error: 'invalid_request',
      error_description: 'AADSTS90002: The tenant was not found.',
    }),
    'Key Vault': answer(404, { error: { code: 'SecretNotFound', message: 'The secret was not found.' } }),
    registry: answer(404, { errors: [{ code: 'MANIFEST_UNKNOWN', message: 'manifest unknown' }] }),
  },
};

/** What is an answer, and no fault of the way, ends the step with this; everything else passes: the call is made again. */
const ends: Partial<Record<Dependency, Record<string, string>>> = {
  ARM: { '403': 'AuthorizationFailed', '404': 'Unknown' },
  'Key Vault': { '403': 'VaultAccessDenied', '404': 'SecretNotFound' },
  registry: { '401': 'RegistryAuthenticationFailed', '403': 'RegistryAccessDenied', '404': 'ImageNotFound' },
};

function endOf(dependency: Dependency, step: Step, fault: string): string | null {
  // What is to go away is tried until it is gone, whatever Azure said.
  if (step === 'cancel') return null;
  // A restart with a password that is no longer current would be an outage: who cannot say so is told at once.
  if (dependency === 'Key Vault' && step === 'restart')
    return fault === '404' ? 'StoredCredentialRotated' : 'AzureUnavailable';
  return ends[dependency]?.[fault] ?? null;
}

const isAsked = (dependency: Dependency, step: Step) => !unasked[dependency]?.includes(step);

const pairs = dependencies.flatMap(dependency => steps.map(step => ({ dependency, step })));

/** Every cell that there is: 4 dependencies, 8 steps and 14 faults, without those of `notAsked`. */
const cells: Cell[] = pairs
  .filter(({ dependency, step }) => isAsked(dependency, step))
  .flatMap(({ dependency, step }) =>
    Object.entries(faults).map(([fault, effects]) => ({
      dependency,
      step,
      fault,
      effect: effects[dependency],
      code: endOf(dependency, step, fault),
    })),
  );

/** The pairs in which no fault can be, and how many cells these would be. */
export const notAsked = pairs.filter(({ dependency, step }) => !isAsked(dependency, step));
export const faultCount = Object.keys(faults).length;
export const allCount = pairs.length * faultCount;

/** Resource Manager is waited for longest. */
const takesLong = ({ dependency, fault }: Cell) =>
  fault === 'no answer in time' || (fault === 'answer that drips' && ['ARM', 'Entra'].includes(dependency));

/** Those of Entra ID go one after another. */
const stepOf = ({ dependency }: Cell) => (dependency === 'Entra' ? 26 : 13);

/**
 * All cells; or, for the short form, a part in which every dependency, step and fault occurs and no two of them go
 * together throughout.
 */
export function planMatrix({ full }: { full: boolean }): Cell[] {
  if (full) return cells;
  const some = cells.filter((cell, index) => index % stepOf(cell) === 5 && !takesLong(cell));
  const missing = Object.keys(faults).filter(fault => !some.some(cell => cell.fault === fault));
  // A registry is waited for least.
  return [
    ...some,
    ...missing.flatMap(fault =>
      cells
        .filter(cell => cell.fault === fault && cell.dependency === 'registry' && cell.step === 'create')
        .slice(0, 1),
    ),
  ];
}
