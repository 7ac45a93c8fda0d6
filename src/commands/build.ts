import { execFileSync } from 'node:child_process';
import { cpSync, globSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

// What `npm pack` takes: JavaScript of everything, types of the client, and the files that are read beside them.
const root = fileURLToPath(new URL('../../', import.meta.url));
const built = join(root, 'dist');
const compiler = join(root, 'node_modules/typescript/bin/tsc');

rmSync(built, { recursive: true, force: true });
execFileSync(process.execPath, [compiler, '-p', join(root, 'tsconfig.build.json')], { stdio: 'inherit' });
cpSync(join(root, 'src'), built, { recursive: true, filter: path => !path.endsWith('.ts') });
for (const path of globSync('**/*.d.ts', { cwd: built })) settle(join(built, path));

/** Types go out for the client alone; what they import is what stands beside them (the compiler leaves `.ts`, measured). */
function settle(path: string): void {
  if (!path.startsWith(join(built, 'client', sep))) rmSync(path);
  else writeFileSync(path, readFileSync(path, 'utf8').replace(/(from '\.[^']*)\.ts'/g, "$1.js'"));
}
