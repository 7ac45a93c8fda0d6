import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { DeploymentRequest } from '../../src/schemas/request.ts';

type Teardown = { teardown(done: () => unknown): unknown };
type Env = Record<string, string | undefined>;

export interface Started {
  url: string;
  child: ChildProcess;
  /** What it has said so far, both streams. */
  said(): string;
  /** SIGTERM, or what is given; resolves once it is gone. */
  stop(signal?: NodeJS.Signals): Promise<void>;
}

const answered: string[] = [];
const heard: { place: string; contents: string[] }[] = [{ place: 'an answer', contents: answered }];

/** Everything that was answered to callers and said by processes in this file of tests. */
export const everythingHeard = (): { place: string; content: string }[] =>
  heard.map(({ place, contents }) => ({ place, content: contents.join('') }));

/** Starts a process of ours as npm does, and waits for the line that says it listens. Killed when the test ends. */
export async function startProcess(t: Teardown, args: string[], env: Env, cwd?: string): Promise<Started> {
  return startNode(t, ['--import', './src/require-node.js', ...args], env, cwd);
}

/** The same with Node's own flags among the arguments. */
export async function startNode(t: Teardown, args: string[], env: Env, cwd?: string): Promise<Started> {
  return startCommand(t, process.execPath, args, env, cwd);
}

/** The same for a command that becomes a process of ours. */
export async function startCommand(
  t: Teardown,
  command: string,
  args: string[],
  env: Env,
  cwd?: string,
): Promise<Started> {
  const child = spawn(command, args, {
    cwd: cwd ?? join(import.meta.dirname, '../..'),
    env: { ...process.env, NODE_OPTIONS: undefined, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const said: string[] = [];
  child.stderr.on('data', chunk => said.push(String(chunk)));
  child.stdout.on('data', chunk => said.push(String(chunk)));
  const exited = once(child, 'exit');
  const stop = async (signal: NodeJS.Signals = 'SIGTERM') => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    await exited;
  };
  heard.push({ place: `what ${args.at(-1)} said`, contents: said });
  t.teardown(() => stop('SIGKILL'));
  const url = await listening(child, said);
  return { url, child, said: () => said.join(''), stop };
}

async function listening(child: ChildProcess, said: string[]): Promise<string> {
  if (!child.stdout) throw new Error('no standard output');
  const lines = createInterface({ input: child.stdout });
  for await (const line of lines) {
    const url = /^(?:slipway|azure emulator) listening on (\S+)$/.exec(line)?.[1];
    if (url) {
      child.stdout.resume();
      return url;
    }
  }
  throw new Error(`it ended before it listened:\n${said.join('')}`);
}

export function temporaryDirectory(t: Teardown): string {
  const directory = mkdtempSync(join(tmpdir(), 'slipway-test-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

export interface Answer {
  status: number;
  headers: Headers;
  text: string;
  // biome-ignore lint/suspicious/noExplicitAny: what a test reads of a JSON answer is the test's business.
  json: any;
  ms: number;
}

/** A caller with a token. Every answer is kept, so that a test can search them. */
export function createCaller(url: string, token: string | null, kept: string[] = []) {
  return async (
    method: string,
    path: string,
    more: { body?: unknown; headers?: Record<string, string>; raw?: string } = {},
  ): Promise<Answer> => {
    const begun = performance.now();
    const body = more.raw ?? (more.body === undefined ? undefined : JSON.stringify(more.body));
    const answer = await fetch(`${url}${path}`, {
      method,
      headers: {
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...more.headers,
      },
      ...(body === undefined ? {} : { body }),
    });
    const text = await answer.text();
    const whole = `${JSON.stringify([...answer.headers])}\n${text}`;
    kept.push(whole);
    answered.push(whole);
    const isJson = /[/+]json\b/.test(answer.headers.get('content-type') ?? '');
    return {
      status: answer.status,
      headers: answer.headers,
      text,
      json: isJson && text ? JSON.parse(text) : null,
      ms: performance.now() - begun,
    };
  };
}

/** A small request that runs in the demo world. */
export function requestFor(name: string, more: Partial<DeploymentRequest> = {}): DeploymentRequest {
  return {
    name,
    containers: [{ name: 'app', image: 'myregistry.azurecr.io/my-app:v1.0' }],
    imageRegistryCredentials: [{ server: 'myregistry.azurecr.io', secretName: 'acr-admin' }],
    ...more,
  };
}
