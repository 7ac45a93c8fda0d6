import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import t from 'tap';
import { noNamespaces, startNamespace } from '../support/namespace.ts';

/*
 * Every example of docs/emulator.md is run as it stands there, but for the port. Where the text after it says what it
 * `prints`, that is what it has to print.
 */
const root = join(import.meta.dirname, '../..');
const text = readFileSync(join(root, 'docs/emulator.md'), 'utf8');
const examples = [...text.matchAll(/^```(sh|ts|az|console)\n(.*?)^```\n+([^`\n]*`[^\n]*)?/gms)].map(
  ([, language = '', code = '', after = '']) => ({
    language,
    code,
    prints: after.startsWith('prints')
      ? [...(after.split('. ')[0] ?? '').matchAll(/`([^`]+)`/g)].map(each => each[1] ?? '')
      : [],
  }),
);
const run = promisify(execFile);

/** Stands for the line in the hosts file that the text asks for. */
const localNames = `data:text/javascript,${encodeURIComponent(`
  import dns from 'node:dns';
  const { lookup } = dns;
  dns.lookup = (name, ...rest) => lookup(name.endsWith('.localhost') ? 'localhost' : name, ...rest);
`)}`;

t.test('the examples', async t => {
  t.ok(examples.length > 12, 'they were found');
  const directory = mkdtempSync(join(tmpdir(), 'emulator-docs-'));
  const emulator = spawn(
    process.execPath,
    [join(root, 'src/emulator/main.ts'), '--data', join(directory, 'azure-data')],
    { env: { ...process.env, EMULATOR_PORT: '0' }, stdio: ['ignore', 'pipe', 'inherit'] },
  );
  t.teardown(async () => {
    emulator.kill('SIGKILL');
    await once(emulator, 'close');
    rmSync(directory, { recursive: true, force: true });
  });
  const [said] = await once(createInterface({ input: emulator.stdout }), 'line');
  const port = /:(\d+)$/.exec(String(said))?.[1] ?? '';

  for (const { language, code, prints } of examples) {
    if (language !== 'sh' && language !== 'ts') continue;
    const own = code.replaceAll('8443', port);
    const { stdout } =
      language === 'sh'
        ? await run('bash', ['-euo', 'pipefail', '-c', own], { cwd: directory })
        : await run(
            process.execPath,
            ['--import', localNames, '--input-type=module-typescript', '--eval', own],
            {
              cwd: root,
              env: { ...process.env, NODE_EXTRA_CA_CERTS: join(directory, 'azure-data/ca.pem') },
            },
          );
    t.ok(stdout.trim() !== '' || prints.length === 0, code.split('\n').at(-2)?.slice(0, 100) ?? '');
    for (const line of prints) t.ok(stdout.split('\n').includes(line), `it prints ${line}`);
  }
});

const az = existsSync('/usr/bin/az') ? noNamespaces() : 'az is not installed (Debian: azure-cli)';

t.test("Debian's az", { skip: az }, async t => {
  const names = ['login.microsoftonline.com', 'management.azure.com'];
  const { run } = await startNamespace(t, names, { AZURE_CORE_COLLECT_TELEMETRY: 'no' });
  const lines = examples
    .filter(({ language }) => language === 'az')
    .flatMap(({ code }) => code.trim().split('\n'));
  t.equal(lines.length, 3);
  for (const line of lines) {
    const { code, out, err } = await run(line);
    if (!t.equal(code, 0, line.slice(0, 80))) t.comment(err.slice(0, 1000));
    if (line.includes('container list')) t.match(out, /from-az/);
  }
});

t.test(
  'what newer versions of az are told is what this one knows too, but for the sign-in',
  { skip: az },
  async t => {
    const { run } = await startNamespace(t, ['management.azure.com'], { AZURE_CORE_COLLECT_TELEMETRY: 'no' });
    const lines = examples
      .filter(({ language, code }) => language === 'console' && code.includes('az cloud'))
      .flatMap(({ code }) =>
        [...code.matchAll(/^\$ (az .*)$/gm)].map(each => (each[1] ?? '').replaceAll(':8443', '')),
      );
    t.equal(lines.length, 4);
    for (const line of lines.filter(each => !each.startsWith('az login'))) {
      const { code, err } = await run(line);
      if (!t.equal(code, 0, line)) t.comment(err.slice(0, 1000));
    }
    const { out } = await run('az cloud show -n EmbeddedAzure --query endpoints.activeDirectory -o tsv');
    t.equal(out.trim(), 'https://localhost/');
  },
);
