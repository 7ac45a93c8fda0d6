import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { environment, readConfig } from '../config.ts';
import { createLog } from '../log.ts';
import { startService } from '../service.ts';
import { readRows } from '../store/rows.ts';
import { findCanaries, readCanaries } from './canaries.ts';
import { type Conversation, createConversation } from './conversation.ts';
import { tellStep } from './demo-step.ts';
import { story } from './demo-story.ts';
import { startEmbeddedAzure } from './embedded-azure.ts';
import { requestToken } from './embedded-token.ts';

/** Tells the main job as a story, on a fresh world; exits 0 only if every step went as told. Leaves nothing behind. */
async function main(): Promise<boolean> {
  const begun = performance.now();
  const data = mkdtempSync(join(tmpdir(), 'slipway-demo-'));
  const lines: string[] = [];
  try {
    const { told, canaries, said } = await tell(data, lines);
    const rows = await readRows({ directory: data, log: createLog({ level: 'silent' }) });
    const leaks = findCanaries(
      [...said, ...lines.map(content => ({ place: 'log', content })), ...rows],
      canaries,
    );
    const seconds = ((performance.now() - begun) / 1000).toFixed(1);
    console.log(`\n${told} of ${story.length} steps went as told, in ${seconds} s.`);
    const searched = `${said.length} answers, ${lines.length} log lines and ${rows.length} stored rows`;
    if (leaks.length === 0)
      console.log(`None of the ${canaries.length} passwords occurs in any of ${searched}.`);
    else console.log(`A password occurs in: ${[...new Set(leaks)].join(', ')}.`);
    return told === story.length && leaks.length === 0 && canaries.length > 0;
  } finally {
    rmSync(data, { recursive: true, force: true });
  }
}

async function tell(data: string, lines: string[]) {
  await using parts = new AsyncDisposableStack();
  console.log('Slipway: from a private registry to a running container, and nobody handles a password.\n');
  const env = {
    ...environment,
    SLIPWAY_DATA: data,
    EMULATOR_PORT: '0',
    PORT: '0',
    DATABASE_URL: undefined,
    SLIPWAY_POLICY: undefined,
  };
  const azure = await startEmbeddedAzure(env);
  parts.defer(() => azure.close());
  const service = await startService(readConfig({ ...env, ...azure.settings }), {
    log: createLog({ level: 'info', to: keep(lines) }),
  });
  parts.defer(() => service.close());
  console.log(`An Azure of our own listens on ${azure.url}, the service on ${service.url}.`);

  const conversation = await createConversation({
    service: service.url ?? '',
    azure,
    token: await requestToken(env, 'demo'),
  });
  parts.defer(() => conversation.close());
  let told = 0;
  for (const [index, step] of story.entries()) if (await tellStep(index + 1, step, conversation)) told += 1;
  return { told, canaries: readCanaries(azure.directory), said: answersOf(conversation) };
}

const answersOf = ({ answers }: Conversation) => answers.map(content => ({ place: 'answer', content }));

function keep(lines: string[]): Writable {
  return new Writable({
    decodeStrings: false,
    write(line, _encoding, done) {
      lines.push(String(line));
      done();
    },
  });
}

try {
  process.exitCode = (await main()) ? 0 : 1;
} catch (error) {
  console.error(error);
  process.exitCode = 1;
}
