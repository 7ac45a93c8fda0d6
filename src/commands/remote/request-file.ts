import { readFileSync } from 'node:fs';
import { LineCounter, parseDocument } from 'yaml';
import { UsageError } from '../command.ts';

export type Members = Record<string, unknown>;

/**
 * Reads a YAML or JSON file (`-` is standard input) as one object. Errors name the line and never show it: there may be a
 * password on it.
 */
export function readObject(file: string): Members {
  const text = readText(file);
  const lines = new LineCounter();
  const document = parseDocument(text, { prettyErrors: false, lineCounter: lines, merge: true });
  const [error] = document.errors;
  if (error) {
    const { line, col } = lines.linePos(error.pos[0]);
    throw new UsageError(`${file}:${line}:${col}: ${error.code} (it is neither YAML nor JSON there).`);
  }
  const read = toJs(file, document);
  if (!isMembers(read)) throw new UsageError(`${file} does not hold an object.`);
  return read;
}

function toJs(file: string, document: { toJS(): unknown }): unknown {
  try {
    const read = document.toJS();
    // Throws where something is within itself.
    JSON.stringify(read);
    return read;
  } catch {
    // The library refuses aliases that lead nowhere, and those that multiply.
    throw new UsageError(`${file} cannot be read: its aliases lead nowhere, in a circle, or multiply.`);
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : 'unreadable';
    throw new UsageError(`${file} cannot be read (${code}).`);
  }
}

export const isMembers = (value: unknown): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** `NAME=VALUE`, or just `VALUE` where a name may be left out. */
export function readPair(option: string, text: string): [name: string, value: string] {
  const at = text.indexOf('=');
  if (at < 1 || at === text.length - 1)
    throw new UsageError(`${option} '${text}' is not of the form NAME=VALUE.`);
  return [text.slice(0, at), text.slice(at + 1)];
}
