import { stripVTControlCharacters } from 'node:util';

/** What came from elsewhere, as one line: nothing in it moves a cursor, begins a line, or is a command to GitHub. */
export const printable = (text: string) =>
  stripVTControlCharacters(text)
    .replace(/[\s\p{Cc}]+/gu, ' ')
    // The runner takes this for a command wherever it stands in a line.
    .replaceAll('##[', '# #[')
    .trim();

/** An annotation of a GitHub workflow: what it is about and what it says are data, whatever they hold. */
export function annotation(title: string, message: string): string {
  return `::error title=${property(title)}::${data(message)}`;
}

const data = (text: string) => text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
const property = (text: string) => data(text).replaceAll(':', '%3A').replaceAll(',', '%2C');
