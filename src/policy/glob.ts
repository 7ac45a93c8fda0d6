/** Whether a text matches a glob: `*` stands for any characters but a slash, `**` for any. Linear in both. */
export function matchesGlob(glob: string, text: string): boolean {
  const source = glob
    .split(/(\*\*|\*)/)
    .map(part =>
      part === '**' ? '.*' : part === '*' ? '[^/]*' : part.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&'),
    )
    .join('');
  return new RegExp(`^${source}$`).test(text);
}

export function matchesAny(globs: readonly string[], text: string): boolean {
  return globs.some(glob => matchesGlob(glob, text));
}
