import { type Command, UsageError } from './command.ts';

/** The words of each command, and where it stands; loaded when asked for, so that none pays for the others. */
const commands: Record<string, () => Promise<Command>> = {
  login: async () => (await import('./remote/login.ts')).login,
  deploy: async () => (await import('./remote/deploy.ts')).deploy,
  plan: async () => (await import('./remote/plan.ts')).plan,
  images: async () => (await import('./remote/images.ts')).images,
  get: async () => (await import('./remote/look.ts')).get,
  list: async () => (await import('./remote/look.ts')).list,
  revisions: async () => (await import('./remote/look.ts')).revisions,
  wait: async () => (await import('./remote/look.ts')).wait,
  events: async () => (await import('./remote/streams.ts')).events,
  logs: async () => (await import('./remote/streams.ts')).logs,
  rollback: async () => (await import('./remote/verbs.ts')).rollback,
  redeploy: async () => (await import('./remote/verbs.ts')).redeploy,
  cancel: async () => (await import('./remote/verbs.ts')).cancel,
  restart: async () => (await import('./remote/verbs.ts')).restart,
  stop: async () => (await import('./remote/verbs.ts')).stop,
  start: async () => (await import('./remote/verbs.ts')).start,
  credentials: async () => (await import('./remote/credentials.ts')).credentials,
  'credentials test': async () => (await import('./remote/credentials.ts')).credentialsTest,
  'credentials usages': async () => (await import('./remote/credentials.ts')).credentialsUsages,
  'credentials rotate': async () => (await import('./remote/rotate.ts')).credentialsRotate,
  delete: async () => (await import('./remote/verbs.ts')).remove,
  import: async () => (await import('./import/import.ts')).importCommand,
  'policy check': async () => (await import('./policy-check.ts')).policyCheck,
  'policy diff': async () => (await import('./policy-diff.ts')).policyDiff,
  'policy explain': async () => (await import('./policy-explain.ts')).policyExplain,
  adopt: async () => (await import('./adopt.ts')).adopt,
  'store export': async () => (await import('./store-transfer.ts')).storeExport,
  'store import': async () => (await import('./store-transfer.ts')).storeImport,
  'audit verify': async () => (await import('./audit-verify.ts')).auditVerify,
  'secret bind': async () => (await import('./secret-bind.ts')).secretBind,
  'secret rotate': async () => (await import('./secret-rotate.ts')).secretRotate,
  'secret check': async () => (await import('./secret-check.ts')).secretCheck,
};

async function main(args: string[]): Promise<number> {
  const found = find(args);
  if (!found) return help(args);
  const command = await found.load();
  if (args.includes('--help')) {
    console.log(`slipway ${command.usage}\n    ${command.summary}`);
    return 0;
  }
  try {
    return await command.run(args.slice(found.words));
  } catch (error) {
    if (!(error instanceof UsageError) && !isParseError(error)) throw error;
    console.error(`${error.message}\nUsage: slipway ${command.usage}`);
    return 2;
  }
}

/** The longest name that the arguments begin with: `policy check` before `policy`. */
function find(args: string[]): { load: () => Promise<Command>; words: number } | null {
  for (const words of [2, 1]) {
    const load = commands[args.slice(0, words).join(' ')];
    if (load && args.length >= words) return { load, words };
  }
  return null;
}

async function help(args: string[]): Promise<number> {
  const asked = args.length === 0 || args[0] === 'help' || args[0] === '--help';
  if (!asked) console.error(`slipway has no command '${args.slice(0, 2).join(' ')}'.`);
  const loaded = await Promise.all(Object.values(commands).map(load => load()));
  const lines = loaded.map(({ usage, summary }) => `  slipway ${usage}\n      ${summary}`);
  (asked ? console.log : console.error)(['Commands:', ...lines].join('\n'));
  return asked ? 0 : 2;
}

/** What `parseArgs` of Node throws: its messages are sentences that name the option. */
function isParseError(error: unknown): error is Error {
  return (
    error instanceof Error &&
    'code' in error &&
    typeof error.code === 'string' &&
    error.code.startsWith('ERR_PARSE_ARGS')
  );
}

// Who reads no more, as `head`, has what he wanted.
process.stdout.on('error', error => process.exit('code' in error && error.code === 'EPIPE' ? 0 : 1));

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
