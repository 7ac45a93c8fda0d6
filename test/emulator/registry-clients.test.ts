import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { noNamespaces, startNamespace } from '../support/namespace.ts';

/* The embedded registries pushed to and pulled from by clients that are not ours. */
const names = [
  'management.azure.com',
  'myregistry.azurecr.io',
  'docker.io',
  'registry-1.docker.io',
  'auth.docker.io',
];
const missing = ['skopeo', 'podman'].filter(name => !existsSync(`/usr/bin/${name}`));
const settings = {
  skip:
    missing.length > 0
      ? `not installed: ${missing.join(', ')} (Debian packages of these names)`
      : noNamespaces(),
};

t.test('skopeo and podman push and pull, an index of several platforms included', settings, async t => {
  const { run, directory, read } = await startNamespace(t, names);
  const ok = async (command: string): Promise<string> => {
    const { code, out, err } = await run(command);
    t.equal(code, 0, command.replace(/creds \S+/g, 'creds ***').slice(0, 140));
    if (code !== 0) t.comment(err.slice(0, 1000));
    return out.trim();
  };
  mkdirSync(join(directory, 'certs'));
  writeFileSync(join(directory, 'certs/ca.crt'), read('ca.pem'));
  const index = writeLayout(join(directory, 'layout'));
  const creds = await adminOf(run);
  const registry = 'docker://myregistry.azurecr.io';
  const certs = (which: 'src' | 'dest') => `--${which}-cert-dir certs --${which}-creds ${creds}`;

  await ok(`skopeo copy --all --preserve-digests ${certs('dest')} oci:layout:app ${registry}/pushed/app:1`);
  const inspect = `skopeo inspect --cert-dir certs --creds ${creds}`;
  t.equal(
    `sha256:${sha256(Buffer.from((await run(`${inspect} --raw ${registry}/pushed/app:1`)).out))}`,
    index,
    'the index comes back byte by byte',
  );
  t.match(JSON.parse(await ok(`${inspect} ${registry}/pushed/app:1`)), { Os: 'linux', RepoTags: ['1'] });
  await ok(`skopeo copy --all ${certs('src')} ${registry}/pushed/app:1 oci:back:app`);
  await ok(
    `skopeo copy --all ${certs('src')} ${certs('dest')} ${registry}/pushed/app@${index} ${registry}/copied/app:2`,
  );
  t.match(await ok(`skopeo list-tags --cert-dir certs --creds ${creds} ${registry}/copied/app`), /"2"/);
  await ok(`skopeo delete --cert-dir certs --creds ${creds} ${registry}/copied/app:2`);
  t.not((await run(`${inspect} ${registry}/copied/app:2`)).code, 0, 'what was deleted is gone');
  t.match(
    (await run(`skopeo inspect --cert-dir certs --creds myregistry:wrong ${registry}/pushed/app:1`)).err,
    /unauthorized|authentication required/i,
  );
  t.match(
    await ok('skopeo inspect --cert-dir certs docker://docker.io/library/nginx:1.27'),
    /linux/,
    'Docker Hub’s public image, without signing in',
  );

  const podman = `podman --root ${directory}/storage --runroot ${directory}/run --storage-driver vfs`;
  const pod = `--cert-dir certs --creds ${creds}`;
  await ok(`${podman} pull -q ${pod} myregistry.azurecr.io/pushed/app:1`);
  await ok(`${podman} tag myregistry.azurecr.io/pushed/app:1 myregistry.azurecr.io/by/podman:1`);
  await ok(`${podman} push -q ${pod} myregistry.azurecr.io/by/podman:1`);
  t.match(await ok(`${inspect} ${registry}/by/podman:1`), /"amd64"/);
});

type Run = (command: string) => Promise<{ out: string }>;

/** The admin user's name and password, as ARM gives them to the emulator's administrator. */
async function adminOf(run: Run): Promise<string> {
  const curl = 'curl -s --cacert data/ca.pem';
  const { token } = JSON.parse(
    (
      await run(
        `${curl} -X POST https://management.azure.com/_emulator/token -H 'content-type: application/json' -d '{"client":"00000000-0000-0000-0000-00000000cccc","scope":"https://management.azure.com/.default"}'`,
      )
    ).out,
  );
  const path =
    '/subscriptions/00000000-0000-0000-0000-00000000bbbb/resourceGroups/my-resource-group/providers/Microsoft.ContainerRegistry/registries/myregistry/listCredentials?api-version=2019-05-01';
  const { username, passwords } = JSON.parse(
    (
      await run(
        `${curl} -X POST 'https://management.azure.com${path}' -H 'authorization: Bearer ${token}' -H 'content-type: application/json'`,
      )
    ).out,
  );
  return `${username}:${passwords[0].value}`;
}

/** An OCI layout with one image for each of two platforms under an index; the index's digest. */
function writeLayout(place: string): string {
  mkdirSync(join(place, 'blobs/sha256'), { recursive: true });
  const add = (content: Buffer) => {
    const digest = sha256(content);
    writeFileSync(join(place, 'blobs/sha256', digest), content);
    return { digest: `sha256:${digest}`, size: content.length };
  };
  const json = (value: object) => add(Buffer.from(JSON.stringify(value)));
  const layer = Buffer.alloc(1024);
  const manifests = ['amd64', 'arm64'].map(architecture => ({
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    ...json({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: {
        mediaType: 'application/vnd.oci.image.config.v1+json',
        ...json({
          os: 'linux',
          architecture,
          config: {},
          rootfs: { type: 'layers', diff_ids: [`sha256:${sha256(layer)}`] },
          history: [],
        }),
      },
      layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar', ...add(layer) }],
    }),
    platform: { os: 'linux', architecture },
  }));
  const mediaType = 'application/vnd.oci.image.index.v1+json';
  const index = json({ schemaVersion: 2, mediaType, manifests });
  const annotations = { 'org.opencontainers.image.ref.name': 'app' };
  writeFileSync(join(place, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  writeFileSync(
    join(place, 'index.json'),
    JSON.stringify({ schemaVersion: 2, manifests: [{ mediaType, ...index, annotations }] }),
  );
  return index.digest;
}

const sha256 = (content: Buffer) => createHash('sha256').update(content).digest('hex');
