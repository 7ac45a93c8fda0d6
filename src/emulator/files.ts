import { open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Writes a file so that a kill at any moment leaves either the old content or the new, and the new once this returns. */
export async function writeAtomically(file: string, content: string | Buffer, mode = 0o644): Promise<void> {
  const draft = `${file}.tmp`;
  const handle = await open(draft, 'w', mode);
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(draft, file);
  const directory = await open(dirname(file), 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
