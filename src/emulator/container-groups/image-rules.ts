import { type Draft, propertiesOf, type Refuse } from './draft.ts';
import { pinImage } from './image-reference.ts';
import type { PullProblem } from './pull-problem.ts';
import type { Look, Puller } from './puller.ts';

/** Looks at every image with the stored credentials; throws for what does not come, else names the digests. */
export async function findImages(
  group: Draft,
  puller: Puller,
  refuse: Refuse,
): Promise<Record<string, string>> {
  const { containers = [], initContainers = [] } = propertiesOf(group);
  const named = [...containers, ...initContainers];
  const all = named.map(({ properties }) => properties?.image ?? '');
  const looks = await Promise.all(
    [...new Set(all)].map(async image => ({ image, look: await puller.look(image, group) })),
  );
  refuseImages(looks, group, refuse);
  const digests = new Map(looks.map(({ image, look }) => [image, digestOf(look)]));
  return Object.fromEntries(
    named.map(({ name, properties }) => {
      const image = properties?.image ?? '';
      return [name, pinImage(image, digests.get(image) ?? '')];
    }),
  );
}

const digestOf = (look: Look) => (look.ok ? look.digest : '');

/** What the registry said of the images, as ARM tells it: alone, or wrapped where there are several. */
function refuseImages(
  looks: readonly { image: string; look: Look }[],
  { name, properties }: Draft,
  refuse: Refuse,
): void {
  const osType = propertiesOf({ properties }).osType ?? 'Linux';
  const faults = looks.flatMap(({ image, look }) => (look.ok ? [] : [faultOf(image, look, name, osType)]));
  const [first, ...others] = faults;
  if (!first) return;
  if (others.length === 0) throw refuse(first.status, first.code, first.message);
  const all = faults
    .map(
      ({ status, code, message }) => `'${status === 409 ? 'Conflict' : 'BadRequest'}':'${code}':'${message}'`,
    )
    .join(';');
  throw refuse(400, 'MultipleErrorsOccurred', `Multiple error occurred: ${all}.`);
}

function faultOf(
  image: string,
  look: PullProblem,
  group: string,
  osType: string,
): { status: number; code: string; message: string } {
  if (look.why === 'platform')
    return {
      status: 400,
      code: 'ImageOsTypeNotMatchContainerGroup',
      message: `The container image '${image}' doesn't support specified OS '${osType}' for container group '${group}'.`,
    };
  if (look.why === 'registryError') {
    const host = look.host === 'registry-1.docker.io' ? 'index.docker.io' : look.host;
    return {
      status: 409,
      code: 'RegistryErrorResponse',
      message: `An error response is received from the docker registry '${host}'. Please retry later.`,
    };
  }
  return {
    status: 400,
    code: 'InaccessibleImage',
    message: `The image '${image}' in container group '${group}' is not accessible. Please check the image and registry credential.`,
  };
}
