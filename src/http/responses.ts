import { type Static, type TSchema, Type } from 'typebox';
import { type RequestErrorCode, requestErrors } from '../errors.ts';
import { failureCodes } from '../failures.ts';
import { Problem } from '../schemas/problem.ts';
import { ref } from '../schemas/ref.ts';

const problem = (description: string, schema: object = ref(Problem)) => ({
  description,
  content: { 'application/problem+json': { schema } },
});

/** A page, or the same as a stream of messages. */
export const streamed = <T extends TSchema & { $id?: string }>(page: T, description: string) =>
  Type.Unsafe<Static<T>>({
    description,
    content: {
      'application/json': { schema: ref(page) },
      'text/event-stream': { schema: Type.String() },
    },
  });

/** The answers that a route declares: its own, and for every error the problem document. */
export function answers<const T extends Record<number, TSchema>>(own: T) {
  return {
    ...own,
    '4xx': problem('The request cannot be served as it is'),
    '5xx': problem('Something is wrong here'),
  };
}

/** What the document has to know of a route to name all its errors. */
export interface DescribedRoute {
  url: string;
  permission: string | undefined;
  /** Takes an `Idempotency-Key`. */
  isChange: boolean;
  hasBody: boolean;
  /** Of others a body is not read. */
  mayHaveBody: boolean;
  hasParams: boolean;
}

/** Every error status of a route by itself, with the codes that it can have. */
export function problemsOf(route: DescribedRoute): Record<number, ReturnType<typeof problem>> {
  const byStatus = Map.groupBy(new Set(codesOf(route)), code => statusOf(code, route));
  return Object.fromEntries(
    [...byStatus]
      .toSorted(([a], [b]) => a - b)
      .map(([status, codes]) => [status, problem(inWords(codes), withCodes(status, codes))]),
  );
}

const inWords = (codes: string[]) =>
  codes.length > 8 ? 'One of the codes listed' : codes.map(code => `\`${code}\``).join(', ');

/** Those of failures are listed once, where `Failure` is. */
function withCodes(status: number, codes: string[]) {
  const failures = codes.filter(code => isFailureCode(code) && !isRequestCode(code));
  const own = { enum: codes.filter(code => !failures.includes(code)) };
  const code = failures.length > 0 ? { anyOf: [own, { $ref: 'Failure#/properties/code' }] } : own;
  return { allOf: [ref(Problem), { type: 'object', properties: { status: { const: status }, code } }] };
}

const isFailureCode = (code: string) => (failureCodes as string[]).includes(code);
const isRequestCode = (code: string): code is RequestErrorCode => code in requestErrors;

/** Failures are told with 422, but for those that requests fail by too. */
function statusOf(code: string, { url }: DescribedRoute): number {
  const own = isRequestCode(code) ? requestErrors[code][0] : 422;
  return url.endsWith('/wait') && own < 500 && isFailureCode(code) ? 422 : own;
}

const always: RequestErrorCode[] = [
  'InvalidRequest',
  'RequestTimeout',
  'UriTooLong',
  'HeadersTooLarge',
  'InternalError',
  'ShuttingDown',
  'HandlerTimeout',
];
const signedIn: RequestErrorCode[] = [
  'Unauthenticated',
  'PermissionDenied',
  'RateLimited',
  'StoreUnavailable',
];
const ofBodies: RequestErrorCode[] = [
  'PayloadTooLarge',
  'UnsupportedMediaType',
  'PasswordNotAccepted',
  'SecretInRequest',
];
const onlyOf: Partial<Record<RequestErrorCode, RegExp>> = {
  NotYet: /\/wait$/,
  OperationFailed: /\/wait$/,
  ContainerGroupNotAdoptable: /\/adopt$/,
  ContainerNotStarted: /\/logs$/,
  LogsGone: /\/logs$/,
  MethodNotAllowed: /^$/,
};

/** What some routes answer beside what all of their kind do. */
const alsoOf: Partial<Record<RequestErrorCode, RegExp>> = {
  NotFound: /\/adopt$/,
  CredentialNotAvailable: /^\/credentials\//,
  TargetNotAllowed: /^\/options$/,
  AzureUnavailable: /^\/credentials\/|\/logs$|\/plan$|\/adopt$/,
};

/** What policy says to a request that is not a change. */
const ofPolicy: RequestErrorCode[] = [
  'InvalidImageReference',
  'UppercaseRepository',
  'RegistryCredentialMissing',
  'CredentialNotAvailable',
  'IdentityNotAvailable',
  'RegistryNotAllowed',
  'TargetNotAllowed',
  'CredentialNotBoundToRegistry',
  'AzureUnavailable',
];

function codesOf({ url, permission, isChange, hasBody, mayHaveBody, hasParams }: DescribedRoute): string[] {
  const all = Object.keys(requestErrors) as RequestErrorCode[];
  const ofChanges = all.filter(code => !(code in onlyOf) && !ofBodies.includes(code) && code !== 'NotFound');
  const isWait = url.endsWith('/wait');
  return [
    ...always,
    ...(permission === 'public' ? [] : signedIn),
    ...(hasParams ? ['NotFound'] : []),
    ...(mayHaveBody ? ofBodies : []),
    ...(hasBody ? ofPolicy : []),
    ...(isChange ? ofChanges : []),
    ...(isChange || isWait ? failureCodes : []),
    ...all.filter(code => onlyOf[code]?.test(url) || alsoOf[code]?.test(url)),
  ];
}
