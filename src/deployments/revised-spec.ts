import { Compile } from 'typebox/compile';
import { createError, type ErrorDetail } from '../errors.ts';
import type { Deployment } from '../schemas/deployment.ts';
import { DeploymentRequest } from '../schemas/request.ts';
import { mergePatch } from './merge-patch.ts';
import type { Spec } from './spec.ts';

const validator = Compile(DeploymentRequest);

/** A deployment keeps its name and place. Throws 400. */
export function own({ spec: { team, target, name } }: Deployment, request: Spec): Spec {
  const errors = Object.entries({ team, target, name }).flatMap(([member, value]) => {
    const asked = Object.entries(request).find(([name]) => name === member)?.[1];
    return asked === undefined || asked === value
      ? []
      : [{ pointer: `/${member}`, detail: `cannot be changed: it is '${value}'` }];
  });
  if (errors.length > 0) throw invalid(errors);
  return { ...request, name, ...(team ? { team } : {}), ...(target ? { target } : {}) };
}

/** What RFC 7396 makes of the present spec. Throws 400. */
export const patched = (deployment: Deployment, patch: object): Spec =>
  own(deployment, valid(mergePatch(deployment.spec, patch)));

function valid(merged: unknown): DeploymentRequest {
  if (validator.Check(merged)) return merged;
  const errors = [...validator.Errors(merged)]
    // The member itself is told.
    .filter(({ keyword }) => keyword !== 'additionalProperties')
    .map(({ keyword, instancePath, message }) => ({
      pointer: instancePath,
      detail: keyword === 'boolean' ? 'is not known' : message,
    }));
  throw invalid(errors.slice(0, 50));
}

/** Other images by the names of containers. Throws 400. */
export function withImages(spec: Spec, images: Record<string, string>): Spec {
  const known = new Set([...spec.containers, ...(spec.initContainers ?? [])].map(({ name }) => name));
  const strangers = Object.keys(images).filter(name => !known.has(name));
  if (strangers.length > 0)
    throw invalid(
      strangers.map(name => ({
        pointer: `/${name}`,
        detail: `is no container of the deployment, which has ${[...known].join(', ')}`,
      })),
    );
  const changed = <T extends { name?: string; image: string }>(container: T): T => ({
    ...container,
    image: images[container.name ?? spec.name] ?? container.image,
  });
  return {
    ...spec,
    containers: spec.containers.map(changed),
    ...(spec.initContainers ? { initContainers: spec.initContainers.map(changed) } : {}),
  };
}

function invalid(errors: ErrorDetail[]) {
  const summary = errors
    .slice(0, 5)
    .map(({ pointer, detail }) => `${pointer || '/'}: ${detail}`)
    .join('; ');
  return createError('InvalidRequest', summary, { errors });
}
