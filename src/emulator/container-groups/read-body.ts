import type { FastifyRequest } from 'fastify';
import type { ArmAccess } from '../arm/access.ts';
import { readMembers, type Shape, UnreadableBody } from './shape.ts';

/** The body by its shape and the request's version; throws `InvalidRequestContent` with the place in it. */
export function readBody(request: FastifyRequest, shape: Shape, access: ArmAccess): Record<string, unknown> {
  try {
    return readMembers(request.body ?? {}, shape, access.apiVersion(request));
  } catch (error) {
    if (!(error instanceof UnreadableBody)) throw error;
    // The position is that in the body as the SDKs write it.
    const position = JSON.stringify(request.body).indexOf(`"${error.near}"`) + error.near.length + 3;
    throw access.error(
      400,
      'InvalidRequestContent',
      `The request content was invalid and could not be deserialized: '${error.message}, line 1, position ${position}.'.`,
    );
  }
}
