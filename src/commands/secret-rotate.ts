import { parseArgs } from 'node:util';
import type { SecretVersion } from '../azure/vault.ts';
import { environment } from '../config.ts';
import { readTags } from '../policy/bind.ts';
import type { Policy } from '../policy/policy.ts';
import { type Command, UsageError } from './command.ts';
import { openVaults } from './own-vaults.ts';
import { readExpires, readSecret, readVault } from './secret-bind.ts';
import { setCommand, standardInput } from './secret-command.ts';

export const secretRotate: Command = {
  usage: 'secret rotate --vault V --secret S [--expires 2027-01-31T00:00:00Z]',
  summary:
    'Print the az line that stores a new version of a secret with the tags that it has; no value is read',

  async run(args) {
    const { values } = parseArgs({
      args,
      options: { vault: { type: 'string' }, secret: { type: 'string' }, expires: { type: 'string' } },
    });
    const place = { vault: readVault(values.vault), secret: readSecret(values.secret) };
    const expires = readExpires(values.expires);
    await using own = await openVaults(environment);
    const { name, url } = findVault(own.loaded.policy, place.vault);
    const versions = await own.vault.properties(url, place.secret);
    const { version, tags } = lastTagged(versions);
    const [newest] = versions;
    console.log(standardInput);
    if (newest && newest.version !== version)
      console.log(`# Version ${newest.version} has lost its tags; these are those of version ${version}.`);
    if (newest?.expiresOn && expires === undefined)
      console.log(
        `# Version ${newest.version} expires at ${newest.expiresOn.toISOString()}; the new one will not, unless --expires says when.`,
      );
    console.log(setCommand({ ...place, vault: name }, tags, { expires }));
    console.log('# Then deploy again: Azure Container Instances keeps the password that it was given.');
    return 0;
  },
};

/** The version whose tags count: the newest, or the last that was bound where they were lost on the way. */
function lastTagged(versions: readonly SecretVersion[]): SecretVersion {
  const [newest] = versions;
  const found = versions.find(({ tags }) => readTags(tags)) ?? newest;
  if (!found) throw new Error('the secret has no version');
  return found;
}

/** By the name that policy gives it, or by its own. */
export function findVault(
  { vaults = {} }: Policy,
  asked: string,
): { key: string; name: string; url: string } {
  const all = Object.entries(vaults).map(([key, { url }]) => ({
    key,
    name: new URL(url).hostname.split('.')[0] ?? key,
    url: url.replace(/\/$/, ''),
  }));
  const found = all.find(({ key }) => key === asked) ?? all.find(({ name }) => name === asked.toLowerCase());
  if (found) return found;
  const known = all.map(({ key }) => key).join(', ');
  throw new UsageError(`The policy has no vault '${asked}'; it has ${known || 'none'}.`);
}
