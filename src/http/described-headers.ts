import { apiVersions } from './api-version.ts';

/** What the document has to know of an operation to name its headers. */
export interface HeaderPlace {
  operationId: string;
  /** Takes an `Idempotency-Key`. */
  isChange: boolean;
  isPublic: boolean;
  status: number;
}

type Where = (place: HeaderPlace) => boolean;

const always: Where = () => true;
/** Before anything of a request is read: its path is too long. */
const unread: Where = ({ status }) => status === 414;
const ofChange: Where = ({ isChange, status }) => isChange && (status === 200 || status === 202);
const ofDeployment: Where = ({ operationId, status }) =>
  operationId === 'getDeployment' && (status === 200 || status === 304);
/** The record of what its first stage refused is named with the refusal. */
const ofRecord: Where = place => ofChange(place) || (place.isChange && place.status === 422);

/** What an answer may have beside its body: type, words, and where. */
const answered: Readonly<Record<string, readonly [type: string, description: string, where: Where]>> = {
  'x-request-id': ['string', 'Names the request in logs and in the audit', always],
  'api-version': ['string', 'The version that was answered', place => !unread(place)],
  etag: [
    'string',
    'Changes with status and revision',
    place => (ofChange(place) || ofDeployment(place)) && place.operationId !== 'rotateCredential',
  ],
  location: ['string', 'Path of the deployment; of a rotation, of the operation', ofRecord],
  'operation-location': ['string', 'Path of the operation, which any Azure poller can follow', ofRecord],
  'preference-applied': [
    'string',
    'What of `Prefer` was heeded',
    place => ofChange(place) || ofDeployment(place),
  ],
  'idempotency-replayed': [
    'string',
    '`true`: accepted before with this `Idempotency-Key`; this is how it is now',
    ofChange,
  ],
  'content-location': ['string', 'Path by id of what was asked for by name', ofDeployment],
  'last-modified': [
    'string',
    'When the lines were kept, where the container group is gone',
    ({ operationId, status }) => operationId === 'getLogs' && status === 200,
  ],
  'retry-after': [
    'integer',
    'Seconds',
    place =>
      [202, 408, 409, 429, 503].includes(place.status) ||
      ofDeployment(place) ||
      (place.operationId === 'getOperation' && place.status === 200),
  ],
  ratelimit: ['string', "What is left of the team's rates, where policy sets some", ofRates],
  'ratelimit-policy': ['string', "The team's rates, where policy sets some", ofRates],
  'www-authenticate': ['string', 'How to sign in', ({ status }) => status === 401],
  accept: ['string', 'What the body may be', ({ status }) => status === 415],
  'x-ms-error-code': ['string', 'The `code` of the problem', ({ status }) => status >= 400],
};

function ofRates({ isPublic, status }: HeaderPlace): boolean {
  return !isPublic && (status < 400 || status === 429);
}

export const namesOfHeaders = (place: HeaderPlace): string[] =>
  Object.entries(answered).flatMap(([name, [, , where]]) => (where(place) ? [name] : []));

export const describedHeaders = () =>
  Object.fromEntries(
    Object.entries(answered).map(([name, [type, description]]) => [name, { description, schema: { type } }]),
  );

/** Headers that any request may have, or that a route reads without a schema of its own. */
export function requestHeadersOf({ operationId, isPublic }: Omit<HeaderPlace, 'status'>) {
  return [
    parameter('api-version', 'Else the newest; also taken as a query parameter', {
      type: 'string',
      enum: [...apiVersions],
    }),
    parameter('traceparent', 'Taken up, and carried on to Azure (W3C Trace Context)'),
    ...(isPublic ? [] : [parameter('on-behalf-of', 'From a portal: `ISSUER|SUBJECT` of its user')]),
    ...(operationId === 'getDeployment'
      ? [
          parameter('prefer', '`wait=N`: until it is settled, at most so many seconds'),
          parameter('if-none-match', 'The `ETag` that was read: 304 while it is still so'),
        ]
      : []),
  ];
}

const parameter = (name: string, description: string, schema: object = { type: 'string' }) => ({
  in: 'header',
  name,
  required: false,
  description,
  schema,
});
