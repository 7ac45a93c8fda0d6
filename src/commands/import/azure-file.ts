import { UsageError } from '../command.ts';
import { mentionsSecureParameter, resolveExpressions } from './expressions.ts';
import { asMembers, isEmpty, isText, type Members, pick } from './members.ts';

export interface AzureGroup {
  group: Members;
  /** A text whose value the template keeps secret. */
  isSecret(text: string): boolean;
}

const groupType = 'microsoft.containerinstance/containergroups';

/**
 * The container group of a file as `az container create --file` takes it, of `az container export`, of a template of
 * Resource Manager, or of one resource out of it. Throws `UsageError`.
 */
export function findGroup(
  document: Members,
  settings: ReadonlyMap<string, string>,
  name: string | undefined,
): AzureGroup {
  const resources = pick(document, 'resources');
  if (resources === undefined) return { group: asMembers(said(alone(document))), isSecret: () => false };
  const parameters = asMembers(pick(document, 'parameters'));
  const scope = { parameters, variables: asMembers(pick(document, 'variables')), settings };
  // Templates of language version 2.0 name their resources.
  const groups = Object.values(Array.isArray(resources) ? resources : asMembers(resources))
    .map(asMembers)
    .filter(isGroup)
    .map(each => asMembers(said(resolveExpressions(each, scope))))
    .filter(each => pick(each, 'condition') !== false);
  const found = groups.filter(each => name === undefined || pick(each, 'name') === name);
  const [group, second] = found;
  if (group && !second) return { group, isSecret: text => mentionsSecureParameter(text, parameters) };
  const names = groups.map(each => pick(each, 'name')).filter(isText);
  throw new UsageError(
    groups.length === 0
      ? 'The template has no resource of type Microsoft.ContainerInstance/containerGroups.'
      : `The template has ${groups.length} container groups: say which with --name (${names.join(', ')}).`,
  );
}

/** `az container export` also writes what is not there: nulls, and empty `additional_properties`. */
function said(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(said);
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).filter(
    ([name, each]) => each !== null && !(name === 'additional_properties' && isEmpty(each)),
  );
  return Object.fromEntries(members.map(([name, each]) => [name, said(each)]));
}

const isGroup = (resource: Members) => String(pick(resource, 'type')).toLowerCase() === groupType;

function alone(document: Members): Members {
  const type = pick(document, 'type');
  if (type !== undefined && !isGroup(document))
    throw new UsageError(`The file is of type ${String(type).slice(0, 100)}, not a container group.`);
  if (pick(document, 'properties') !== undefined) return document;
  throw new UsageError('The file is no container group as Azure has it: it has no `properties`.');
}
