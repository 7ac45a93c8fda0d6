import { parseArgs } from 'node:util';
import { environment } from '../config.ts';
import { canonicalRegistry } from '../hosts.ts';
import { type Explanation, explainDecision, type Question } from '../policy/explain.ts';
import { loadPolicy } from '../policy/load.ts';
import { parseReference } from '../registry/reference.ts';
import { type Command, outputOf, UsageError } from './command.ts';

const denied = 1;

export const policyExplain: Command = {
  usage:
    'policy explain --team T --server R [--secret S [--vault V] | --identity ID] [--image I] [--target T] [--policy PATH] [--output json]',
  summary:
    'Say whether a team may pull from a registry with a secret, an identity or what policy has for it, and why. 0: yes, 1: no',

  async run(args) {
    const { values } = parseArgs({ args, options });
    const loaded = loadPolicy(pathOf(values.policy ?? environment.SLIPWAY_POLICY));
    const explanation = explainDecision(loaded, questionOf(values));
    if (outputOf(values.output) === 'json') console.log(JSON.stringify(explanation, null, 2));
    else tell(explanation);
    return explanation.decision === 'allow' ? 0 : denied;
  },
};

const text = { type: 'string' } as const;
const options = {
  team: text,
  server: text,
  secret: text,
  vault: text,
  identity: text,
  image: text,
  target: text,
  policy: text,
  output: text,
};

type Values = Partial<Record<keyof typeof options, string>>;

function pathOf(policy: string | undefined): string {
  if (!policy) throw new UsageError('Give --policy PATH, or set SLIPWAY_POLICY.');
  if (policy.startsWith('https:'))
    throw new UsageError('The policy is a blob: download it, and give --policy PATH.');
  return policy;
}

function questionOf({ team, server, secret, vault, identity, image, target }: Values): Question {
  if (!team) throw new UsageError('Give --team.');
  if (!server) throw new UsageError('Give --server, the host of the registry.');
  if (secret !== undefined && identity !== undefined)
    throw new UsageError('Give --secret or --identity, not both.');
  if (vault !== undefined && secret === undefined) throw new UsageError('Give --secret with --vault.');
  return {
    team,
    server,
    secret,
    vault,
    identity,
    target,
    image: image === undefined ? undefined : imageOf(image, server),
  };
}

/** Without a host it is one of the registry that is asked about. */
function imageOf(image: string, server: string): Question['image'] {
  const parsed = parseReference(image);
  if (!parsed.ok) throw new UsageError(`--image '${image}' ${parsed.hint}.`);
  const { domain, path, tag, digest } = parsed.reference;
  if (image.startsWith(domain) && canonicalRegistry(domain) !== canonicalRegistry(server))
    throw new UsageError(`--image is of ${domain}, and --server is ${server}.`);
  return { repository: path, tag, digest };
}

function tell({ decision, digest, code, detail, why, later }: Explanation): void {
  console.log(decision === 'allow' ? 'allowed' : `denied: ${code}\n${detail}`);
  for (const line of why) console.log(`  ${line}`);
  if (later.length > 0) console.log('when it is deployed');
  for (const line of later) console.log(`  ${line}`);
  console.log(`policy ${digest}`);
}
