import { parseArgs } from 'node:util';
import { Compile } from 'typebox/compile';
import { canonicalRegistry } from '../hosts.ts';
import { RegistryServer, SecretName } from '../schemas/names.ts';
import { type Command, UsageError } from './command.ts';
import { setCommand, standardInput, tagCommand } from './secret-command.ts';

const secretName = Compile(SecretName);
const registryServer = Compile(RegistryServer);

// Key Vault keeps no longer ones.
const longestTag = 256;

export const secretBind: Command = {
  usage:
    'secret bind --vault V --secret S --registry R [--username U] [--repositories GLOB ...] [--expires 2027-01-31T00:00:00Z]',
  summary: 'Print the az lines that store a registry password bound to its registry; no value is asked for',

  async run(args) {
    const { values } = parseArgs({
      args,
      options: {
        vault: { type: 'string' },
        secret: { type: 'string' },
        registry: { type: 'string' },
        username: { type: 'string' },
        repositories: { type: 'string', multiple: true },
        expires: { type: 'string' },
      },
    });
    const place = { vault: readVault(values.vault), secret: readSecret(values.secret) };
    const tags = {
      'slipway-registry': readRegistry(values.registry),
      ...(values.username === undefined ? {} : { 'slipway-username': readTag('username', values.username) }),
      ...(values.repositories ? { 'slipway-repositories': readGlobs(values.repositories) } : {}),
    };
    console.log(standardInput);
    if (values.username === undefined)
      console.log('# No username is bound: the value must be {"username": ..., "password": ...}.');
    console.log(setCommand(place, tags, { expires: readExpires(values.expires) }));
    console.log(`# Or, for the value that is there already: ${tagCommand(place, tags)}`);
    return 0;
  },
};

export const readVault = (text: string | undefined) =>
  readForm(
    'vault',
    text,
    name => /^[A-Za-z](?:-?[A-Za-z0-9]){2,23}$/.test(name),
    "a vault's name, as in https://NAME.vault.azure.net",
  );

export const readSecret = (text: string | undefined) =>
  readForm(
    'secret',
    text,
    name => secretName.Check(name),
    'a name of Key Vault: letters, digits and hyphens',
  );

const readRegistry = (text: string | undefined) =>
  canonicalRegistry(
    readForm('registry', text, name => registryServer.Check(name), 'a host without scheme or path'),
  );

/** As `az` takes it, and as nothing else can be meant by it. */
export function readExpires(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  if (/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(text) && !Number.isNaN(Date.parse(text))) return text;
  throw new UsageError(`--expires '${text}' is no instant such as 2027-01-31T00:00:00Z.`);
}

function readGlobs(given: string[]): string {
  const globs = given.flatMap(text => text.split(/[\s,]+/).filter(Boolean));
  const wrong = globs.find(glob => !/^[a-z0-9._/*-]+$/.test(glob));
  if (wrong !== undefined || globs.length === 0)
    throw new UsageError(`--repositories '${wrong ?? ''}' is no repository or glob, such as myorg/**.`);
  return readTag('repositories', globs.join(','));
}

function readTag(option: string, text: string): string {
  if (text.length > 0 && text.length <= longestTag && !/\p{Cc}/u.test(text)) return text;
  throw new UsageError(`--${option} must be 1 to ${longestTag} characters without control characters.`);
}

function readForm(
  option: string,
  text: string | undefined,
  fits: (text: string) => boolean,
  what: string,
): string {
  if (text === undefined) throw new UsageError(`--${option} is missing.`);
  if (fits(text)) return text;
  throw new UsageError(`--${option} '${text}' is not ${what}.`);
}
