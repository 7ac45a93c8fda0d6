import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createDemoWorld } from './demo-world.ts';
import { type Certificates, openCertificates } from './door/certificates.ts';
import { type IssuerKeys, openKeys } from './entra/keys.ts';
import { loadWorld, openPersistence, type Persistence } from './persistence.ts';
import type { World } from './world.ts';

/** What outlives a restart: the world, the issuers' keys, the authority that signs certificates. */
export interface State {
  /** As an absolute path; undefined where all of it is in memory. */
  dataDir: string | undefined;
  world: World;
  keys: IssuerKeys;
  certificates: Certificates;
  persistence: Persistence;
}

/** What `dataDir` keeps, or the demo world with new keys where there is nothing yet. */
export async function openState(dataDir: string | undefined): Promise<State> {
  const directory = dataDir ? resolve(dataDir) : undefined;
  if (directory) mkdirSync(directory, { recursive: true, mode: 0o700 });
  const kept = directory ? loadWorld(directory) : undefined;
  const world = kept?.world ?? createDemoWorld();
  const keys = await openKeys(directory ? join(directory, 'keys.json') : undefined);
  const persistence = openPersistence(world, directory, kept);
  if (!kept) persistence.changed();
  await persistence.flush();
  return { dataDir: directory, world, keys, certificates: openCertificates(directory), persistence };
}
