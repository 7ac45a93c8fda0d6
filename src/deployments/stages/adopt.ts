import { isDeepStrictEqual } from 'node:util';
import { RequestError } from '../../errors.ts';
import type { CredentialRecord, ImageRecord } from '../../schemas/deployment.ts';
import { adoptedSpec, ownerOf } from '../adopted-spec.ts';
import { ownerTag } from '../container-group.ts';
import { failure } from '../failure.ts';
import { fail, goOn, type Move, stay } from '../move.ts';
import { readImages, type Spec } from '../spec.ts';
import { decideAgain, placeOf, type Stage, type StageParts } from './stage.ts';

/**
 * Puts our tag on the group whose record says that it is to be taken over, and goes on once the group shows it: doing it
 * twice is harmless. A group that is gone, somebody's, or no longer what was judged is left as it is.
 */
export const adopt: Stage = async (row, parts, signal) => {
  const now = parts.clock.now();
  const again = decideAgain(row, parts);
  if (!again.allowed) return fail(again.failure, now, { holdsName: false });
  const document = await parts.documents.read(placeOf(row), signal);
  const owner = document && ownerOf(document.tags);
  if (owner === row.id) return adopted(row.spec, row.revision, again.plan.registries, now);
  if (!document || owner !== undefined || !isSame(row.spec, document)) return changed(row.name, parts);
  const tags = { ...document.tags, 'slipway-team': row.team, [ownerTag]: row.id };
  await parts.documents.tag(placeOf(row), tags, signal);
  return stay('Adopting', 0);
};

type Document = NonNullable<Awaited<ReturnType<StageParts['documents']['read']>>>;

/** Whether the group still says what policy has judged; team, target and location are policy's to fill in. */
function isSame(spec: Spec, document: Document): boolean {
  try {
    const { location: _, ...read } = adoptedSpec(asRequest(spec), document);
    const { location: __, ...judged } = spec;
    return isDeepStrictEqual(JSON.parse(JSON.stringify(read)), judged);
  } catch (error) {
    if (error instanceof RequestError) return false;
    throw error;
  }
}

const asRequest = ({ team, target, name, imageRegistryCredentials }: Spec) => ({
  name,
  ...(team === undefined ? {} : { team }),
  ...(target === undefined ? {} : { target }),
  ...(imageRegistryCredentials ? { imageRegistryCredentials } : {}),
});

type Registries = Extract<ReturnType<typeof decideAgain>, { allowed: true }>['plan']['registries'];

/** No image and no credential was looked at: the group runs already. */
function adopted(spec: Spec, revision: number, registries: Registries, at: Date): Move {
  const images = readImages(spec).map(
    ({ container, requested, reference }): ImageRecord => ({
      container,
      requested,
      resolved: requested,
      digest: reference.digest,
      pinned: reference.digest !== null,
      verifiedWith: 'none',
    }),
  );
  const message = `Container group '${spec.name}' carries this deployment's tag`;
  const event = { at, source: 'Slipway' as const, type: 'Adopted', message };
  return goOn('Provisioning', { images, credentials: registries.flatMap(recordOf), liveRevision: revision }, [
    event,
  ]);
}

function recordOf(planned: Registries[number]): CredentialRecord[] {
  if (planned.kind === 'anonymous') return [];
  if (planned.kind === 'identity') return [{ server: planned.host, identity: planned.id }];
  return [{ server: planned.host, vault: planned.vault.name, secretName: planned.secretName }];
}

function changed(name: string, { clock }: StageParts): Move {
  const detail = `Container group '${name}' was removed, changed or taken by another deployment since it was to be adopted; it was left as it is.`;
  const found = failure('ContainerGroupExists', detail, {
    stage: 'Adopting',
    target: '/name',
    evidence: [{ step: 'arm', message: 'the group is not as it was judged' }],
    fixes: [{ who: 'caller', action: 'Adopt it again' }],
  });
  return fail(found, clock.now(), { holdsName: false });
}
