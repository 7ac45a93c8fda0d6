import { formatReference, parseReference } from '../registry/reference.ts';
import type { ImageRecord } from '../schemas/deployment.ts';
import { readImages, type Spec, type SpecImage } from './spec.ts';

/** Digests by container. */
type Pins = Readonly<Record<string, string>>;

/** Those that are on record. */
export const digestsOf = (images: readonly ImageRecord[]): Record<string, string> =>
  Object.fromEntries(
    images.flatMap(({ container, digest }) => (digest === null ? [] : [[container, digest] as const])),
  );

/** The images of a spec, those that are pinned by their digest: whatever their tags mean now. */
export function pinnedTo(pins: Pins | undefined, spec: Spec): SpecImage[] {
  return readImages(spec).map(image => {
    const digest = pins?.[image.container];
    return digest === undefined ? image : { ...image, reference: { ...image.reference, digest } };
  });
}

/** What is sent is pinned also where Slipway could not look at it, or the spec asks for tags. */
export function stillPinned(image: ImageRecord, pins: Pins | undefined): ImageRecord {
  const digest = pins?.[image.container];
  const parsed = parseReference(image.requested);
  if (digest === undefined || !parsed.ok) return image;
  const resolved = formatReference({ ...parsed.reference, tag: null, digest });
  return { ...image, resolved, digest, pinned: true };
}
