import { existsSync } from 'node:fs';

// Node reads the TypeScript of a checkout, and none under node_modules: a package has what was built of it instead.
const [room, ending] = existsSync(new URL('../src', import.meta.url)) ? ['src', 'ts'] : ['dist', 'js'];

/** Runs an entry of `src/`, named without its ending. An older Node is told so in a sentence. */
export async function load(entry) {
  await import(`../${room}/require-node.js`);
  await import(`../${room}/${entry}.${ending}`);
}
