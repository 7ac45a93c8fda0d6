import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DemoWorld } from './demo-world.ts';

/** The first value of a secret of the embedded vault, from the disk of the embedded Azure. */
export function storedValue({ data }: DemoWorld, name: string): string {
  const directory = join(data, 'azure');
  for (const file of readdirSync(directory).filter(each => /^world.*\.json$/.test(each))) {
    const text = readFileSync(join(directory, file), 'utf8');
    const found = new RegExp(`"${name}":\\{"name":"${name}","versions":(\\[.*?\\}\\])`).exec(text)?.[1];
    if (found) return JSON.parse(found)[0].value;
  }
  throw new Error(`the vault has no '${name}'`);
}

/** A new version of a registry secret, bound by its tags. */
export function storeVersion(
  world: DemoWorld,
  name: string,
  { value, registry, username }: { value: string; registry: string; username: string },
): Promise<unknown> {
  const tags = { 'slipway-registry': registry, 'slipway-username': username };
  return world.control('POST', 'world', { secrets: [{ vault: 'demo-vault', name, value, tags }] });
}
