/**
 * Whether a text matches a glob: `*` stands for any characters but a slash, `**` for any. Its time is bounded by the
 * product of both lengths: globs also come from tags, and texts from callers.
 */
export function matchesGlob(glob: string, text: string): boolean {
  // Row by row over the glob: which prefixes of the text the glob so far matches.
  let reached = [true, ...Array.from(text, () => false)];
  for (const part of glob.match(/\*\*|\*|[^*]/gsu) ?? []) reached = step(part, reached, text);
  return reached[text.length] ?? false;
}

function step(part: string, before: readonly boolean[], text: string): boolean[] {
  const after: boolean[] = [part.startsWith('*') && (before[0] ?? false)];
  for (let index = 0; index < text.length; index++) {
    const next = text.charAt(index);
    if (part === '**') after.push((before[index + 1] ?? false) || (after[index] ?? false));
    else if (part === '*')
      after.push((before[index + 1] ?? false) || ((after[index] ?? false) && next !== '/'));
    else after.push((before[index] ?? false) && next === part);
  }
  return after;
}

export function matchesAny(globs: readonly string[], text: string): boolean {
  return globs.some(glob => matchesGlob(glob, text));
}

/** As `matchesAny`, for names of secrets: Key Vault compares them without case, and so must who guards them. */
export function matchesSecret(globs: readonly string[], secretName: string): boolean {
  return globs.some(glob => matchesGlob(glob.toLowerCase(), secretName.toLowerCase()));
}

/** Whether some name of a secret matches both globs. */
export function secretGlobsMeet(left: string, right: string): boolean {
  const other = right.toLowerCase();
  // Row by row over the left: with which prefixes of the right the left so far has a name in common.
  let row = [true, ...Array.from(other, (_, index) => /^\*+$/.test(other.slice(0, index + 1)))];
  for (const part of left.toLowerCase()) {
    const next = [part === '*' && (row[0] ?? false)];
    for (let index = 0; index < other.length; index++) {
      const anything = part === '*' || other[index] === '*';
      next.push(
        (part === other[index] && (row[index] ?? false)) ||
          (anything && ((row[index + 1] ?? false) || (next[index] ?? false))),
      );
    }
    row = next;
  }
  return row[other.length] ?? false;
}
