/** A line for a POSIX shell: what is put in is one word each, quoted where a shell would read it otherwise. */
export function command(fixed: TemplateStringsArray, ...words: string[]): string {
  return fixed.reduce((line, part, index) => `${line}${quoted(words[index - 1] ?? '')}${part}`);
}

const quoted = (word: string) =>
  /^[\w@%+=:,./-]*$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
