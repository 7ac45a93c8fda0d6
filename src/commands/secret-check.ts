import { parseArgs } from 'node:util';
import { AzureError } from '../azure/failure.ts';
import { environment } from '../config.ts';
import { type Command, UsageError } from './command.ts';
import { type OwnVaults, openVaults } from './own-vaults.ts';
import { type Finding, findingsOf, meaningOf, missingSecrets, type VaultPlace } from './secret-findings.ts';
import { findVault } from './secret-rotate.ts';

export const secretCheck: Command = {
  usage: 'secret check [--vault V] [--output json]',
  summary:
    "Look at the secrets of the policy's vaults: lost tags, ends within 30 days, bindings, names. 1: something was found",

  async run(args) {
    const { values } = parseArgs({
      args,
      options: { vault: { type: 'string' }, output: { type: 'string' } },
    });
    if (values.output !== undefined && values.output !== 'json')
      throw new UsageError(`--output '${values.output}' is not known; there is json.`);
    await using own = await openVaults(environment);
    const { policy } = own.loaded;
    const asked = values.vault === undefined ? Object.keys(policy.vaults ?? {}) : [values.vault];
    const report = await check(
      own,
      asked.map(vault => findVault(policy, vault)),
      new Date(),
    );
    if (values.output === 'json') console.log(JSON.stringify(report, null, 2));
    else tell(report);
    return report.findings.length > 0 ? 1 : 0;
  },
};

interface Report {
  vaults: string[];
  /** How many secrets were looked at: those that policy names. */
  secrets: number;
  findings: Finding[];
}

async function check(
  { loaded: { policy }, vault }: OwnVaults,
  places: (VaultPlace & { url: string })[],
  now: Date,
): Promise<Report> {
  const report: Report = { vaults: places.map(({ key }) => key), secrets: 0, findings: [] };
  const present = new Map<string, ReadonlySet<string>>();
  for (const place of places) {
    try {
      const names = await vault.names(place.url);
      for (const secret of names.filter(meaningOf(policy, place.key).isMeant)) {
        const versions = await vault.properties(place.url, secret);
        report.findings.push(...findingsOf(policy, place, secret, versions, now));
        report.secrets += 1;
      }
      present.set(place.key, new Set(names.map(name => name.toLowerCase())));
    } catch (error) {
      if (!(error instanceof AzureError)) throw error;
      report.findings.push(notReadable(place, error));
    }
  }
  report.findings.push(...missingSecrets(policy, present));
  return report;
}

function notReadable({ key }: VaultPlace, { code, message }: AzureError): Finding {
  return {
    vault: key,
    secret: null,
    version: null,
    code: 'VaultNotReadable',
    message: `could not be read: ${code ? `${code}: ` : ''}${message}`,
  };
}

function tell({ vaults, secrets, findings }: Report): void {
  for (const { vault, secret, code, message, command } of findings) {
    console.log(`${vault}${secret === null ? '' : `/${secret}`}: ${message} (${code})`);
    if (command) console.log(`    ${command}`);
  }
  const looked = `${secrets} secrets of ${vaults.join(', ') || 'no vault'} were looked at`;
  console.log(findings.length > 0 ? `${findings.length} found; ${looked}.` : `All is well; ${looked}.`);
}
