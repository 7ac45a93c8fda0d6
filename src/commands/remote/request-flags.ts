import { UsageError } from '../command.ts';
import { isMembers, type Members, readObject, readPair } from './request-file.ts';
import { sourceOf } from './source.ts';

type Env = Record<string, string | undefined>;

/** What makes a request: a file, flags, or a file with flags over it. */
export const requestOptions = {
  file: { type: 'string', short: 'f' },
  name: { type: 'string' },
  team: { type: 'string' },
  target: { type: 'string' },
  location: { type: 'string' },
  image: { type: 'string', multiple: true },
  secret: { type: 'string', multiple: true },
  identity: { type: 'string', multiple: true },
  label: { type: 'string', multiple: true },
  'on-existing': { type: 'string' },
  'on-failure': { type: 'string' },
} as const;
export const requestUsage =
  '[-f FILE] [--name N] [--image [CONTAINER=]IMAGE ...] [--secret SERVER=NAME ...] [--identity SERVER=ARM_ID ...] ' +
  '[--team T] [--target T] [--location L] [--label NAME=VALUE ...] [--on-existing replace] [--on-failure rollback]';

export interface RequestValues {
  file?: string | undefined;
  name?: string | undefined;
  team?: string | undefined;
  target?: string | undefined;
  location?: string | undefined;
  image?: string[] | undefined;
  secret?: string[] | undefined;
  identity?: string[] | undefined;
  label?: string[] | undefined;
  'on-existing'?: string | undefined;
  'on-busy'?: string | undefined;
  'on-failure'?: string | undefined;
}

/** The request; what it says is for the service to judge. Throws `UsageError`. */
export function readRequest(values: RequestValues, env: Env): Members {
  if (values.file === undefined && values.image === undefined)
    throw new UsageError('Say what to deploy: -f FILE, or --name and --image.');
  const request: Members = values.file === undefined ? {} : readObject(values.file);
  if (isMembers(request.properties) || request.$schema !== undefined)
    throw new UsageError(
      `${values.file} is a file of Azure's: \`slipway import ${values.file}\` makes a request of it.`,
    );
  const { name, team, target, location } = values;
  const source = request.source === undefined ? sourceOf(env) : null;
  return {
    ...request,
    ...present({ name, team, target, location }),
    ...present({
      onExisting: values['on-existing'],
      onBusy: values['on-busy'],
      onFailure: values['on-failure'],
    }),
    ...imagesOver(request, values.image ?? []),
    ...credentialsOver(request, values),
    ...labelsOver(request, values.label ?? []),
    ...(source ? { source } : {}),
  };
}

const present = (members: Members): Members =>
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));

function imagesOver({ containers }: Members, images: string[]): Members {
  if (images.length === 0) return {};
  if (containers === undefined) return { containers: images.map(newContainer) };
  const changed = (Array.isArray(containers) ? containers : []).map(each => ({ ...each }));
  for (const text of images) {
    const { name, image } = readImage(text);
    const container = changed.find(each => (name === undefined ? changed.length === 1 : each.name === name));
    if (!container)
      throw new UsageError(
        name === undefined
          ? `--image ${text}: say of which container, as CONTAINER=IMAGE.`
          : `--image ${text}: the file has no container '${name}'.`,
      );
    container.image = image;
  }
  return { containers: changed };
}

function newContainer(text: string): Members {
  const { name, image } = readImage(text);
  return { ...(name === undefined ? {} : { name }), image };
}

/** No image reference has a `=` in it. */
export function readImage(text: string): { name: string | undefined; image: string } {
  const [, name, image = ''] = /^(?:([^=]*)=)?(.*)$/s.exec(text) ?? [];
  if (image === '' || name === '') throw new UsageError(`--image '${text}' is not [CONTAINER=]IMAGE.`);
  return { name, image };
}

function credentialsOver({ imageRegistryCredentials: kept }: Members, values: RequestValues): Members {
  const named = [
    ...(values.secret ?? []).map(text => ({ text, option: '--secret', member: 'secretName' })),
    ...(values.identity ?? []).map(text => ({ text, option: '--identity', member: 'identity' })),
  ].map(({ text, option, member }) => {
    const [server, reference] = readPair(option, text);
    return { server, [member]: reference };
  });
  if (named.length === 0) return {};
  const servers = new Set(named.map(({ server }) => server));
  const others = (Array.isArray(kept) ? kept : []).filter(each => !servers.has(String(each?.server)));
  return { imageRegistryCredentials: [...others, ...named] };
}

function labelsOver({ labels }: Members, given: string[]): Members {
  if (given.length === 0) return {};
  const more = Object.fromEntries(given.map(text => readPair('--label', text)));
  return { labels: { ...(isMembers(labels) ? labels : {}), ...more } };
}
