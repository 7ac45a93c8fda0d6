import { Compile } from 'typebox/compile';
import type { GroupDocument } from '../azure/group-documents.ts';
import { createError, type ErrorDetail } from '../errors.ts';
import type { AdoptionRequest } from '../schemas/adoption.ts';
import { DeploymentRequest } from '../schemas/request.ts';
import { ownerTag } from './container-group.ts';
import { checkSpec, fillDefaults, type Spec } from './spec.ts';

type Members = Record<string, unknown>;

const validator = Compile(DeploymentRequest);

/**
 * The spec of a group that somebody else made, in the words of a request: so the schema of requests says what cannot be
 * expressed, with its place. Values that ACI keeps to itself are missing, and refused. Throws 409.
 */
export function adoptedSpec(asked: AdoptionRequest, { tags, content }: GroupDocument): Spec {
  const { properties, location, zones, identity } = content;
  const group: Members = {
    ...groupMembers(asMembers(properties)),
    name: asked.name,
    location,
    ...(isEmpty(zones) ? {} : { zones }),
    ...identityOf(asMembers(identity), [...pullIdentities(asMembers(properties)), ...namedIdentities(asked)]),
    ...(asked.team === undefined ? {} : { team: asked.team }),
    ...(asked.target === undefined ? {} : { target: asked.target }),
    ...(asked.imageRegistryCredentials ? { imageRegistryCredentials: asked.imageRegistryCredentials } : {}),
    ...labelsOf(tags),
    // Slipway did not make it, and does not take it away where it does not do well.
    keepFailed: true,
  };
  if (!validator.Check(group)) throw notExpressible(schemaFaults(group));
  const spec = fillDefaults(group);
  try {
    checkSpec(spec);
  } catch (error) {
    throw notExpressible([{ pointer: '', detail: error instanceof Error ? error.message : String(error) }]);
  }
  return spec;
}

/** What ARM adds, or the request says: which identities pull also says who may use them. */
const added = new Set([
  'provisioningState',
  'instanceView',
  'imageRegistryCredentials',
  'identityAcls',
  'isCustomProvisioningTimeout',
]);
/** What says only that nothing is so. */
const defaults: Members = {
  sku: 'Standard',
  isCreatedFromStandbyPool: false,
  provisioningTimeoutInSeconds: 1800,
};

function groupMembers({ containers, initContainers, ipAddress, ...rest }: Members): Members {
  const { ip: _ip, fqdn: _fqdn, ...address } = asMembers(ipAddress);
  return {
    ...Object.fromEntries(
      Object.entries(rest).filter(
        ([name, value]) => !added.has(name) && defaults[name] !== value && !isEmpty(value),
      ),
    ),
    containers: asList(containers).map(containerOf),
    ...(isEmpty(initContainers) ? {} : { initContainers: asList(initContainers).map(containerOf) }),
    ...(isEmpty(ipAddress) ? {} : { ipAddress: address }),
  };
}

function containerOf(container: unknown): Members {
  const { name, properties } = asMembers(container);
  const { instanceView: _view, ...members } = asMembers(properties);
  return { name, ...Object.fromEntries(Object.entries(members).filter(([, value]) => !isEmpty(value))) };
}

function identityOf({ type, userAssignedIdentities }: Members, pulling: string[]): Members {
  const pull = new Set(pulling.map(id => id.toLowerCase()));
  const own = Object.keys(asMembers(userAssignedIdentities)).filter(id => !pull.has(id.toLowerCase()));
  // The group's own identity has rights that no spec gives again.
  const system = typeof type === 'string' && /system/i.test(type) ? { type } : {};
  if (own.length === 0 && isEmpty(system)) return {};
  return { identity: { ...system, userAssignedIdentities: own } };
}

function pullIdentities({ imageRegistryCredentials }: Members): string[] {
  return asList(imageRegistryCredentials).flatMap(each => {
    const { identity } = asMembers(each);
    return typeof identity === 'string' ? [identity] : [];
  });
}

const namedIdentities = ({ imageRegistryCredentials = [] }: AdoptionRequest) =>
  imageRegistryCredentials.flatMap(({ identity }) => (identity === undefined ? [] : [identity]));

/** All tags but Slipway's own. */
function labelsOf(tags: Record<string, string>): Members {
  const labels = Object.entries(tags).filter(([name]) => !name.toLowerCase().startsWith('slipway-'));
  return labels.length > 0 ? { labels: Object.fromEntries(labels) } : {};
}

/** The deployment that a group's tag names; ARM keeps tag names without case. */
export function ownerOf(tags: Record<string, string>): string | undefined {
  return Object.entries(tags).find(([name]) => name.toLowerCase() === ownerTag)?.[1];
}

function schemaFaults(group: unknown): ErrorDetail[] {
  return [...validator.Errors(group)].map(({ instancePath, message }) => ({
    pointer: instancePath,
    detail: message,
  }));
}

function notExpressible(errors: ErrorDetail[]) {
  const places = [...new Set(errors.map(({ pointer, detail }) => `${pointer || 'it'}: ${detail}`))];
  return createError(
    'ContainerGroupNotAdoptable',
    `The container group has what a deployment cannot say: ${places.slice(0, 5).join('; ')}.`,
    { errors },
  );
}

const asMembers = (value: unknown): Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {};
const asList = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);
/** Newer versions fill in what nobody set, such as a `configMap` without values (recorded traffic). */
const isEmpty = (value: unknown): boolean =>
  value === undefined || value === null || (typeof value === 'object' && Object.values(value).every(isEmpty));
