import { createError, type RequestError, type RequestErrorCode, requestErrors } from '../errors.ts';
import { hintFor } from '../registry/reference-hints.ts';
import type { SpecImage } from './spec.ts';

interface Denial {
  code: RequestErrorCode;
  pointer: string;
  detail: string;
}

/**
 * What is wrong with the request names its place; what is not allowed is a sentence of its own. Where an image may be a
 * slip, a hint says what may have been meant.
 */
export function denied({ code, pointer, detail }: Denial, images: readonly SpecImage[] = []): RequestError {
  const hint = hintAt(pointer, images);
  const whole = hint === null ? detail : `${detail.replace(/\.$/, '')}. ${hint}`;
  const text = requestErrors[code][0] === 400 ? `${pointer}: ${whole}` : whole;
  return createError(code, text, { errors: [{ pointer, detail: whole }] });
}

/** A server without an image is most often that of an image that was written without it. */
function hintAt(pointer: string, images: readonly SpecImage[]): string | null {
  const about = pointer.endsWith('/server') ? images : images.filter(image => image.pointer === pointer);
  const hints = about.map(({ requested, reference }) => hintFor(requested, reference));
  return hints.find(hint => hint !== null) ?? null;
}
