import { command } from '../deployments/command.ts';

export interface SecretPlace {
  /** The vault's own name, as `az` knows it. */
  vault: string;
  secret: string;
}

/** Names whose tags `az` would take for something else. */
const unsayable = /^-|=/;

/**
 * The line that stores a new version: its value from standard input, its tags repeated, since a version has only what it
 * is given. Throws where a tag cannot be said to `az`.
 */
export function setCommand(
  { vault, secret }: SecretPlace,
  tags: Record<string, string>,
  more: { expires?: string | undefined } = {},
): string {
  const begin = command`az keyvault secret set --vault-name ${vault} --name ${secret} --file /dev/stdin`;
  const expires = more.expires === undefined ? '' : command` --expires ${more.expires}`;
  return `${begin}${expires}${tagWords(tags)}`;
}

/** The line that gives the version that is there these tags, in place of those it has. */
export function tagCommand({ vault, secret }: SecretPlace, tags: Record<string, string>): string {
  const begin = command`az keyvault secret set-attributes --vault-name ${vault} --name ${secret}`;
  return `${begin}${tagWords(tags)}`;
}

function tagWords(tags: Record<string, string>): string {
  const wrong = Object.keys(tags).find(name => unsayable.test(name));
  if (wrong !== undefined)
    throw new Error(
      `tag '${wrong}' cannot be given on a command line: give the secret its tags in the portal`,
    );
  const words = Object.entries(tags).map(([name, value]) => command` ${`${name}=${value}`}`);
  return words.length > 0 ? ` --tags${words.join('')}` : '';
}

/** For who pipes a value in: said as a comment, so that the whole output can be given to a shell. */
export const standardInput =
  '# The value comes from standard input as it is: no line break at its end, and not on the command line.';
