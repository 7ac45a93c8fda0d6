import { element } from './element.js';

/** What is on record of a deployment, as pairs. */
export const factsOf = deployment => {
  const {
    id,
    revision,
    liveRevision,
    operation,
    createdAt,
    createdBy,
    onBehalfOf,
    credentials,
    observedAt,
    spec,
    images,
  } = deployment;
  return [
    ['Deployment', id],
    ['Operation', operation],
    [
      'Revision',
      liveRevision && liveRevision !== revision ? `${revision} (live: ${liveRevision})` : String(revision),
    ],
    ['Asked', new Date(createdAt).toLocaleString()],
    ['By', createdBy.name ?? createdBy.client ?? createdBy.subject],
    ['For', onBehalfOf],
    ['Source', spec.source?.repository],
    ['Commit', spec.source?.revision],
    ...Object.entries(spec.labels ?? {}).map(([name, value]) => [name, value]),
    ...credentials.map(({ server, secretName, secretVersion, identity }) => [
      server,
      secretName
        ? `secret ${secretName}${secretVersion ? `, version ${secretVersion.slice(0, 8)}` : ''}`
        : `identity ${identity?.split('/').at(-1)}`,
    ]),
    ['Verified with', [...new Set(images.map(({ verifiedWith }) => verifiedWith))].join(', ')],
    ['Observed', observedAt && new Date(observedAt).toLocaleTimeString()],
  ].filter(([, value]) => value);
};

export function factParts(facts) {
  return [
    element('h2', {}, 'Record'),
    element(
      'dl',
      {},
      facts.map(([name, value]) => [element('dt', {}, name), element('dd', {}, value)]),
    ),
  ];
}
