import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, generateKeyPairSync, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SignJWT } from 'jose';
import { request } from 'undici';
import { createAuthorityCertificate } from '../../src/emulator/door/x509.ts';

/** CNCF distribution as Debian packages it; why it cannot be used here, or false. */
export const noDockerRegistry = existsSync('/usr/bin/docker-registry')
  ? false
  : 'docker-registry is not installed (Debian: docker-registry)';

/** A user of the registries, and one who may read only `team/other` where there are tokens. */
export const puller = { username: 'puller', password: 'right-password' };
export const stranger = { username: 'stranger', password: 'right-password' };

/** By token, what each may read. */
const readable: Record<string, string[]> = { puller: ['team/app', 'team/none'], stranger: ['team/other'] };

// bcrypt of the passwords above.
const htpasswd = `puller:$2y$05$iype29CZ33BeHL.F6RdnrOwepdRzh5wyiQKEUxTjvUdyqSLBDTTr2
stranger:$2y$05$iype29CZ33BeHL.F6RdnrOwepdRzh5wyiQKEUxTjvUdyqSLBDTTr2
`;

export interface DockerRegistries {
  /** Places for `EMULATOR_REGISTRIES`: two registries over one storage, the second with its token server at `/token`. */
  places: Record<'htpasswd.example' | 'tokens.example', string>;
  /** `team/app:1` in both. */
  digest: string;
}

type Teardown = { teardown(done: () => unknown): unknown };

/** Starts both ways of signing in to a real registry, with one image in it. Gone when the test ends. */
export async function startDockerRegistries(t: Teardown): Promise<DockerRegistries> {
  const directory = mkdtempSync(join(tmpdir(), 'slipway-registry-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const issuer = createTokenIssuer();
  writeFileSync(join(directory, 'htpasswd'), htpasswd);
  writeFileSync(join(directory, 'bundle.pem'), issuer.certificate);
  const byPassword = await startRegistry(t, directory, {
    htpasswd: { realm: 'basic-realm', path: join(directory, 'htpasswd') },
  });
  const byToken = await startRegistry(t, directory, {
    token: {
      realm: 'https://tokens.example/token',
      service: 'tokens.example',
      issuer: 'tokens.example',
      rootcertbundle: join(directory, 'bundle.pem'),
    },
  });
  return {
    places: {
      'htpasswd.example': byPassword,
      'tokens.example': await startTokenServer(t, issuer.sign, byToken),
    },
    digest: await pushImage(byPassword),
  };
}

async function startRegistry(t: Teardown, directory: string, auth: object): Promise<string> {
  const port = await freePort();
  const file = join(directory, `${port}.json`);
  // YAML takes JSON.
  const settings = {
    version: 0.1,
    log: { level: 'error', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: join(directory, 'storage') } },
    http: { addr: `127.0.0.1:${port}` },
    auth,
  };
  writeFileSync(file, JSON.stringify(settings));
  const child = spawn('/usr/bin/docker-registry', ['serve', file], { stdio: 'ignore' });
  t.teardown(() => end(child));
  await answering(`http://127.0.0.1:${port}/v2/`, child);
  return `http://127.0.0.1:${port}`;
}

async function answering(url: string, child: ChildProcess): Promise<void> {
  while (child.exitCode === null) {
    const status = await request(url).then(
      async ({ statusCode, body }) => {
        await body.dump();
        return statusCode;
      },
      () => null,
    );
    if (status === 401) return;
    await sleep(50);
  }
  throw new Error(`docker-registry ended with ${child.exitCode}`);
}

async function end(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL');
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}

async function freePort(): Promise<number> {
  const server = createTcpServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** The registry checks tokens by the certificate that they bring in `x5c`, against its bundle. */
function createTokenIssuer(): { certificate: string; sign(claims: object): Promise<string> } {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const certificate = createAuthorityCertificate({ name: 'tokens.example', key: privateKey }, 1);
  const x5c = [certificate.replace(/-----[^-]+-----|\s/g, '')];
  return {
    certificate,
    sign: claims =>
      new SignJWT({ ...claims })
        .setProtectedHeader({ alg: 'ES256', typ: 'JWT', x5c })
        .setIssuer('tokens.example')
        .setAudience('tokens.example')
        .setIssuedAt()
        .setNotBefore('0 s')
        .setExpirationTime('5 min')
        .setJti(randomUUID())
        .sign(privateKey),
  };
}

/** The token server of the distribution's specification: Basic, `scope`, `token`; in front of the registry itself. */
async function startTokenServer(
  t: Teardown,
  sign: (claims: object) => Promise<string>,
  registry: string,
): Promise<string> {
  const server = createServer(async (asked, answer) => {
    if (!asked.url?.startsWith('/token')) return passOn(`${registry}${asked.url}`, asked, answer);
    const [user = '', password = ''] = Buffer.from(
      asked.headers.authorization?.replace(/^basic /i, '') ?? '',
      'base64',
    )
      .toString()
      .split(':');
    const known = [puller, stranger].find(each => each.username === user && each.password === password);
    if (!known) {
      answer.writeHead(401, { 'content-type': 'application/json' });
      return answer.end(JSON.stringify({ details: 'incorrect username or password' }));
    }
    const scopes = new URL(asked.url ?? '/', 'http://tokens.example').searchParams.getAll('scope');
    const access = scopes.flatMap(scope => {
      const [type, name = '', actions = ''] = scope.split(':');
      const granted = readable[user]?.includes(name) && actions.split(',').includes('pull') ? ['pull'] : [];
      return [{ type, name, actions: granted }];
    });
    answer.writeHead(200, { 'content-type': 'application/json' });
    return answer.end(JSON.stringify({ token: await sign({ sub: user, access }), expires_in: 300 }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function passOn(url: string, asked: IncomingMessage, answer: ServerResponse): Promise<void> {
  const { method = 'GET', headers } = asked;
  const { statusCode, headers: told, body } = await request(url, { method: method as 'GET', headers });
  answer.writeHead(statusCode, told);
  body.pipe(answer);
}

/** Pushes a small image as any client does; its manifest's digest. */
async function pushImage(url: string): Promise<string> {
  const authorization = `Basic ${Buffer.from(`${puller.username}:${puller.password}`).toString('base64')}`;
  const blob = async (content: Buffer): Promise<{ digest: string; size: number }> => {
    const digest = `sha256:${createHash('sha256').update(content).digest('hex')}`;
    const started = await request(`${url}/v2/team/app/blobs/uploads/`, {
      method: 'POST',
      headers: { authorization },
    });
    await started.body.dump();
    const place = new URL(String(started.headers.location), url);
    place.searchParams.set('digest', digest);
    await put(place.href, content, 'application/octet-stream');
    return { digest, size: content.length };
  };
  const put = async (place: string, content: Buffer, type: string): Promise<void> => {
    const { statusCode, body } = await request(place, {
      method: 'PUT',
      headers: { authorization, 'content-type': type },
      body: content,
    });
    if (statusCode !== 201) throw new Error(`${place}: ${statusCode} ${await body.text()}`);
    await body.dump();
  };
  const config = await blob(
    Buffer.from(
      JSON.stringify({ os: 'linux', architecture: 'amd64', rootfs: { type: 'layers', diff_ids: [] } }),
    ),
  );
  const layer = await blob(Buffer.from('a layer'));
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType,
      config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...config },
      layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar', ...layer }],
    }),
  );
  await put(`${url}/v2/team/app/manifests/1`, manifest, mediaType);
  return `sha256:${createHash('sha256').update(manifest).digest('hex')}`;
}
