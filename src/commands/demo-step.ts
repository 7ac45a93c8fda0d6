import type { Deployment } from '../schemas/deployment.ts';
import type { Problem } from '../schemas/problem.ts';
import type { Answer, Call, Conversation } from './conversation.ts';
import type { Step } from './demo-story.ts';

/** Asks for one step and tells what happened; false where it did not end as it must. */
export async function tellStep(number: number, step: Step, conversation: Conversation): Promise<boolean> {
  const before = (await conversation.calls(0)).at(-1)?.seq ?? 0;
  console.log(`\n${String(number).padStart(2)}. ${step.title}`);
  tellRequest(step);
  const answer = await conversation.ask('POST', '/deployments', { body: step.request });
  const told =
    'status' in step.expect ? await tellRunning(answer, conversation) : tellRefusal(answer, step.expect);
  const calls = await conversation.calls(before);
  tellCalls(calls);
  const quiet = !step.noCalls || calls.length === 0;
  if (!told || !quiet) console.log('    NOT AS TOLD');
  return told && quiet;
}

function tellRequest({ request }: Step): void {
  const images = request.containers.map(({ image }) => image).join(' + ');
  const credentials = (request.imageRegistryCredentials ?? []).map(
    ({ server, secretName, identity }) =>
      `${server} by ${secretName ? `secret '${secretName}'` : `identity '${identity?.split('/').at(-1)}'`}`,
  );
  say('asked', `POST /deployments ${request.name}: ${images}`);
  say('', credentials.join(', '));
}

async function tellRunning(accepted: Answer, conversation: Conversation): Promise<boolean> {
  if (accepted.status !== 202) {
    say('answer', `${accepted.status} ${JSON.stringify(accepted.body)}`);
    return false;
  }
  say('answer', `202 after ${duration(accepted.ms)}, Location ${accepted.headers.location}`);
  const { body, ms } = await conversation.ask('GET', String(accepted.headers.location), {
    prefer: 'wait=30',
  });
  const deployment = body as Deployment;
  const ip = deployment.containerGroup?.ipAddress?.ip;
  say('then', `${deployment.status} after ${duration(accepted.ms + ms)}${ip ? ` at ${ip}` : ''}`);
  for (const { requested, digest, verifiedWith } of deployment.images)
    say(
      '',
      `${requested} is ${digest ? `pinned to ${digest.slice(0, 19)}…` : 'sent by its tag'}, verified with ${verifiedWith}`,
    );
  if (deployment.failure) say('', `${deployment.failure.code}: ${deployment.failure.detail}`);
  return deployment.status === 'Running';
}

function tellRefusal({ status, body, ms }: Answer, expected: { code: string; http: number }): boolean {
  const { code, detail, failure } = body as Problem;
  say('answer', `${status} ${code} after ${duration(ms)}`);
  say('', detail);
  for (const { step, host, status: seen, registryCode, code: network } of failure?.evidence ?? [])
    say('evidence', [step, host, seen, registryCode, network].filter(part => part !== undefined).join(' '));
  for (const { who, action, command } of failure?.fixes ?? []) {
    say('fix', `${action} (${who})`);
    if (command) say('', command);
  }
  return status === expected.http && code === expected.code;
}

function tellCalls(calls: readonly Call[]): void {
  if (calls.length === 0) say('Azure', 'was not asked anything');
  const lines = new Map<string, number>();
  for (const { method, host, path, status } of calls) {
    const line = `${method} ${host}${shorten(path)} ${status}`;
    lines.set(line, (lines.get(line) ?? 0) + 1);
  }
  let label = 'Azure';
  for (const [line, times] of lines) {
    say(label, times > 1 ? `${line}  (${times} times)` : line);
    label = '';
  }
}

/** The paths of ARM and of tokens are long; what matters stands at their ends. */
function shorten(path: string): string {
  const [bare = ''] = path.split('?');
  const parts = bare.split('/');
  return parts.length > 7
    ? `/…/${parts.slice(-2).join('/')}`
    : bare.replace(/sha256:([0-9a-f]{12})[0-9a-f]+/, 'sha256:$1…');
}

const duration = (ms: number) => (ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);
const say = (label: string, text: string) => console.log(`    ${label.padEnd(9)} ${text}`);
