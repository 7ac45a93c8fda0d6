import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import type { Repository, World } from '../world.ts';

const types = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar+gzip',
};

/** The label by which a simulated container knows how it ends. */
export const exitCodeLabel = 'emulator.exit-code';

interface Image {
  platform?: 'linux/amd64' | 'linux/arm64';
  exitCode?: number;
}

/** Puts a tiny, valid image of one platform into the world, under an index as real ones are. Returns the index's digest. */
export function putImage(world: World, host: string, repository: string, tag: string, image: Image): string {
  const registry = world.registries[host];
  if (!registry) throw new Error(`there is no registry ${host}`);
  registry.repositories[repository] ??= { tags: {}, manifests: {}, blobs: {} };
  const place = registry.repositories[repository];
  const [os = 'linux', architecture = 'amd64'] = (image.platform ?? 'linux/amd64').split('/');
  const tar = Buffer.alloc(1024);
  const layer = putBlob(place, gzipSync(tar));
  const labels = {
    'org.opencontainers.image.title': `${repository}:${tag}`,
    ...(image.exitCode === undefined ? {} : { [exitCodeLabel]: String(image.exitCode) }),
  };
  const config = putBlob(
    place,
    text({
      architecture,
      os,
      config: { Labels: labels, Cmd: ['/app'] },
      rootfs: { type: 'layers', diff_ids: [digestOf(tar)] },
      history: [],
    }),
  );
  const manifest = putManifest(place, types.manifest, {
    schemaVersion: 2,
    mediaType: types.manifest,
    config: { mediaType: types.config, ...config },
    layers: [{ mediaType: types.layer, ...layer }],
  });
  const index = putManifest(place, types.index, {
    schemaVersion: 2,
    mediaType: types.index,
    manifests: [{ mediaType: types.manifest, ...manifest, platform: { architecture, os } }],
  });
  place.tags[tag] = index.digest;
  return index.digest;
}

export const digestOf = (content: Buffer) => `sha256:${createHash('sha256').update(content).digest('hex')}`;
const text = (value: object) => Buffer.from(JSON.stringify(value));

function putBlob({ blobs }: Repository, content: Buffer): { digest: string; size: number } {
  const digest = digestOf(content);
  blobs[digest] = content.toString('base64');
  return { digest, size: content.length };
}

function putManifest(
  { manifests }: Repository,
  mediaType: string,
  manifest: object,
): { digest: string; size: number } {
  const content = text(manifest);
  const digest = digestOf(content);
  manifests[digest] = { mediaType, content: content.toString('base64') };
  return { digest, size: content.length };
}
