import { parseArgs } from 'node:util';
import { Compile } from 'typebox/compile';
import { stringify } from 'yaml';
import { command } from '../../deployments/command.ts';
import { plainSecretsIn } from '../../deployments/plain-secrets.ts';
import { findSecretRule } from '../../http/inline-secrets.ts';
import { DeploymentRequest } from '../../schemas/request.ts';
import { whyUnknown } from '../../schemas/unsupported.ts';
import { type Command, outputOf, UsageError } from '../command.ts';
import { readObject, readPair } from '../remote/request-file.ts';
import { readSecret, readVault } from '../secret-bind.ts';
import { standardInput } from '../secret-command.ts';
import { findGroup } from './azure-file.ts';
import { fit } from './fit.ts';
import { createSecretList, type InlineSecret } from './inline-secrets.ts';
import { wrongKinds } from './kinds.ts';
import { asMembers, type Members, pick, textsIn } from './members.ts';
import { fillPlaceholders, openPlaceholders } from './placeholders.ts';
import { toRequest } from './to-request.ts';

const validator = Compile(DeploymentRequest);

export const importCommand: Command = {
  usage:
    'import FILE [--vault V] [--set NAME=VALUE ...] [--secret SERVER_OR_VARIABLE=SECRET ...] [--name GROUP] [--team T] [--target T] [--output json]',
  summary:
    "Make a request of Azure's own YAML or template; passwords in it are told with the az line that stores each, never shown",

  async run(args) {
    const { values, positionals } = parseArgs({
      args,
      options: {
        output: { type: 'string' },
        vault: { type: 'string' },
        set: { type: 'string', multiple: true },
        secret: { type: 'string', multiple: true },
        name: { type: 'string' },
        team: { type: 'string' },
        target: { type: 'string' },
      },
      allowPositionals: true,
    });
    const output = outputOf(values.output);
    const [file, ...more] = positionals;
    if (file === undefined || more.length > 0)
      throw new UsageError(file === undefined ? 'FILE is missing.' : `'${more[0]}' is one too many.`);
    const document = readObject(file);
    const options = {
      settings: new Map((values.set ?? []).map(text => readPair('--set', text))),
      secretNames: new Map((values.secret ?? []).map(readSecretName)),
      vault: values.vault === undefined ? null : readVault(values.vault),
      name: values.name,
      more: definite({ team: values.team, target: values.target }),
    };
    try {
      const imported = importGroup(document, options);
      if (output === 'json') console.log(JSON.stringify(imported, null, 2));
      else tell(imported);
    } catch (error) {
      if (!(error instanceof CannotImport)) throw error;
      console.error(error.message);
      return 2;
    }
    return 0;
  },
};

const readSecretName = (text: string): [string, string] => {
  const [place, name] = readPair('--secret', text);
  return [place, readSecret(name)];
};

const definite = (members: Record<string, string | undefined>): Members =>
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));

export interface Import {
  request: Members;
  secrets: InlineSecret[];
}

interface Options {
  settings: ReadonlyMap<string, string>;
  secretNames: ReadonlyMap<string, string>;
  /** Null: a word to replace. */
  vault: string | null;
  name: string | undefined;
  more: Members;
}

/** The file has what a request cannot say: the message names each place and what to do. */
export class CannotImport extends Error {
  override readonly name = 'CannotImport';
}

/** Throws `CannotImport`, and `UsageError` where there is no container group. */
export function importGroup(document: Members, options: Options): Import {
  const found = findGroup(document, options.settings, options.name);
  const group = fillPlaceholders(found.group, options.settings) as Members;
  refuse([...loopsIn(group), ...wrongKinds(group)]);
  const secrets = createSecretList({
    vault: options.vault ?? 'YOUR-VAULT',
    given: options.secretNames,
    group: String(pick(group, 'name') ?? 'group').replace(/[^A-Za-z0-9-]+/g, '-'),
  });
  const converted = toRequest({ ...found, group }, secrets);
  const request = fit({ ...options.more, ...converted }, DeploymentRequest) as Members;
  refuse(
    openPlaceholders({ request, secrets: secrets.found }, options.settings).map(({ pointer, name }) => ({
      pointer: pointer.replace(/^\/request/, ''),
      detail: `needs a value for ${name}: ${command`--set ${`${name}=...`}`}`,
    })),
  );
  refuse(leftSecrets(request));
  refuse(schemaFaults(request));
  return { request, secrets: secrets.found };
}

/** A template's `copy` is a program. */
function loopsIn(group: Members): Fault[] {
  const places: [string, unknown][] = [
    ['/copy', pick(group, 'copy')],
    ['/properties/copy', pick(asMembers(pick(group, 'properties')), 'copy')],
  ];
  const detail = 'is a loop, which is not unrolled: write out what it makes';
  return places.flatMap(([pointer, copy]) => (copy === undefined ? [] : [{ pointer, detail }]));
}

interface Fault {
  pointer: string;
  detail: string;
}

function refuse(faults: Fault[]): void {
  if (faults.length === 0) return;
  const lines = faults.map(({ pointer, detail }) => `${pointer || '/'}: ${detail}`);
  throw new CannotImport([...new Set(lines)].join('\n'));
}

/** What is a secret where no reference can stand in its place: it is not printed. */
function leftSecrets(request: Members): Fault[] {
  const byForm = [...textsIn(request)].filter(({ text }) => findSecretRule(text) !== null);
  const byName = validator.Check(request) ? plainSecretsIn(request) : [];
  return [...byForm, ...byName].map(({ pointer }) => ({
    pointer,
    detail: 'holds a secret: take it out of the file; a variable with secretName can carry it',
  }));
}

/** Values are not shown: one of them may be what should not be there. */
function schemaFaults(request: Members): Fault[] {
  if (validator.Check(request)) return [];
  // What is unknown is told by its name, and not once more where it stands.
  const errors = [...validator.Errors(request)].filter(({ keyword }) => keyword !== 'boolean');
  return errors.flatMap(({ keyword, instancePath, message, params }): Fault[] => {
    if (keyword !== 'additionalProperties') return [{ pointer: instancePath, detail: message }];
    const { additionalProperties: names } = params as { additionalProperties: string[] };
    return names.map(name => ({ pointer: `${instancePath}/${name}`, detail: whyUnknown(name) }));
  });
}

function tell({ request, secrets }: Import): void {
  process.stdout.write(stringify(request));
  if (secrets.length === 0) return;
  console.error(
    `\n# ${secrets.length} value(s) belong into Key Vault. Store each before you deploy.\n${standardInput}`,
  );
  for (const { pointer, use, secretName, command: line, note } of secrets) {
    console.error(
      `# ${pointer} becomes secret '${secretName}'${use === 'workload' ? ' of the workload' : ''}.`,
    );
    if (note) console.error(`# ${note}`);
    console.error(line);
  }
}
