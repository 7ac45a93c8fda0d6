import { type RawBuilder, sql } from 'kysely';
import type { Status } from '../schemas/deployment.ts';

/** What a list of deployments may be narrowed by; all that is given must hold. */
export interface ListFilter {
  team?: string | undefined;
  name?: string | undefined;
  target?: string | undefined;
  status?: Status | undefined;
  /** Of a container, as it was asked for, or as ARM was sent it. */
  image?: string | undefined;
  digest?: string | undefined;
  /** For a registry or for the workload; without case, as Key Vault compares. */
  secretName?: string | undefined;
  /** To pull or of the workload; without case, as ARM compares. */
  identity?: string | undefined;
  /** A subject or a client. */
  createdBy?: string | undefined;
  onBehalfOf?: string | undefined;
  /** `name=value` */
  label?: string | undefined;
}

type Condition = RawBuilder<boolean>;

/** What holds of the columns of JSON. */
export function jsonConditions(filter: ListFilter): Condition[] {
  const { image, digest, secretName, identity, createdBy, label } = filter;
  const [name = '', ...value] = (label ?? '').split('=');
  return [
    when(image, asked => [
      holds('spec', { containers: [{ image: asked }] }),
      holds('spec', { initContainers: [{ image: asked }] }),
      holds('images', [{ resolved: asked }]),
    ]),
    when(digest, asked => [holds('images', [{ digest: asked }])]),
    when(secretName, asked => [
      names('credentials', '$[*].secretName', asked),
      ...secretPaths.map(path => names('spec', path, asked)),
    ]),
    when(identity, asked => [
      names('credentials', '$[*].identity', asked),
      names('spec', '$.identity.userAssignedIdentities[*]', asked),
      names('spec', '$.imageRegistryCredentials[*].identity', asked),
    ]),
    when(createdBy, asked => [
      holds('created_by', { subject: asked }),
      holds('created_by', { client: asked }),
    ]),
    when(label, () => [holds('spec', { labels: { [name]: value.join('=') } })]),
  ].filter(condition => condition !== null);
}

/** Wherever a request names a secret. */
const secretPaths = ['secretName', 'workspaceKeySecretName', 'storageAccountKeySecretName'].map(
  member => `strict $.**.${member}`,
);

function when(asked: string | undefined, oneOf: (asked: string) => Condition[]): Condition | null {
  return asked === undefined ? null : sql<boolean>`(${sql.join(oneOf(asked), sql` or `)})`;
}

const holds = (column: string, value: unknown): Condition =>
  sql<boolean>`${sql.ref(column)} @> cast(${JSON.stringify(value)} as jsonb)`;

const names = (column: string, path: string, asked: string): Condition =>
  sql<boolean>`exists (select 1 from jsonb_path_query(${sql.ref(column)}, cast(${path} as jsonpath), silent => true) found
    where lower(found #>> '{}') = lower(${asked}))`;
