import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createHttpPoller, type LroResponse, type OperationState } from '@azure/core-lro';
import t from 'tap';
import { parse } from 'yaml';
import { testDatabaseUrl } from '../support/database.ts';
import { eventually, startDemoWorld } from '../support/demo-world.ts';
import { createCaller, requestFor, startProcess, temporaryDirectory } from '../support/service.ts';

const world = await startDemoWorld(t);
const service = await startProcess(t, ['src/main.ts'], { ...world.env, ...(await testDatabaseUrl(t)) });
const token = await world.token();
const ask = createCaller(service.url, token);

const file = (path: string) => readFileSync(join(import.meta.dirname, '../..', path), 'utf8');

interface Run {
  code: number;
  said: string;
}

/** Runs a script as a pipeline does, with a request in `deployment.json`. */
async function run(script: string, deployment: object, env: Record<string, string>): Promise<Run> {
  const cwd = temporaryDirectory(t);
  writeFileSync(join(cwd, 'deployment.json'), JSON.stringify(deployment));
  return new Promise(done =>
    execFile(
      'bash',
      ['--norc', '-e', '-c', script],
      { cwd, env: { PATH: process.env.PATH, ...env } },
      (error, out, err) => done({ code: error ? Number(error.code) : 0, said: out + err }),
    ),
  );
}

const failing = (name: string) =>
  requestFor(name, {
    containers: [{ name: 'app', image: 'myregistry.azurecr.io/job:crash' }],
    restartPolicy: 'Never',
  });

const script = /### From a script[\s\S]*?```bash\n([\s\S]*?)```/.exec(file('README.md'))?.[1] ?? '';
const inShell = (deployment: object) =>
  run(script, deployment, { TOKEN: token, SLIPWAY: service.url, RUN: randomUUID() });

t.test("README's three lines deploy, wait, and end as the deployment does", async t => {
  t.equal(script.trim().split('\n').length, 3);
  t.same(await inShell(requestFor('shell-fine')), { code: 0, said: '' });
  t.equal((await ask('GET', '/deployments/demo:shell-fine')).json.status, 'Running');

  const refused = await inShell(
    requestFor('shell-refused', {
      containers: [{ name: 'app', image: 'myregistry.azurecr.io/my-app:v9.9' }],
    }),
  );
  t.equal(refused.code, 22);
  t.match(refused.said, /"code":"ImageNotFound"/);

  const failed = await inShell(failing('shell-failed'));
  t.equal(failed.code, 22);
  t.match(failed.said, /"code":"ContainerCrashed".*"fixes":/);
});

t.test('the workflow for GitHub Actions signs in without a secret, and does the same', async t => {
  const text = file('examples/github-actions.yml');
  const workflow = parse(text);
  t.notMatch(text, /secrets\.|password|_TOKEN: /i);
  t.equal(workflow.permissions['id-token'], 'write');
  const steps: { run?: string; uses?: string }[] = workflow.jobs.deploy.steps;
  const [step, ...others] = steps.flatMap(({ run: lines }) => lines ?? []);
  t.ok(step && others.length === 0);
  for (const line of script.trim().split('\n'))
    t.ok(step?.includes(line), `it has README's line ${line.slice(0, 40)}`);

  const asked: (string | undefined)[] = [];
  const issuer = createServer((request, response) => {
    asked.push(request.url, request.headers.authorization);
    response.end(JSON.stringify({ value: token }));
  }).listen(0, '127.0.0.1');
  t.teardown(() => issuer.close());
  await new Promise(done => issuer.once('listening', done));
  const env = {
    SLIPWAY: service.url,
    AUDIENCE: 'slipway',
    ACTIONS_ID_TOKEN_REQUEST_URL: `http://127.0.0.1:${(issuer.address() as AddressInfo).port}/token?v=2`,
    ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'a-runners-own',
    GITHUB_REPOSITORY: 'myorg-app',
    GITHUB_RUN_ID: '1',
    GITHUB_RUN_ATTEMPT: '1',
  };
  const fine = await run(step ?? '', requestFor('workflow-fine'), env);
  t.equal(fine.code, 0, fine.said);
  t.same(asked, ['/token?v=2&audience=slipway', 'Bearer a-runners-own']);
  const failed = await run(step ?? '', failing('workflow-failed'), { ...env, GITHUB_RUN_ID: '2' });
  t.match(failed, { code: 22, said: /ContainerCrashed/ });
});

/** As a client of Azure's makes it of its pipeline. */
async function callLro(method: string, path: string, body?: object): Promise<LroResponse> {
  const answer = await ask(method, path, {
    ...(body ? { body } : {}),
    headers: { prefer: 'respond-async' },
  });
  const headers = Object.fromEntries(answer.headers);
  return {
    flatResponse: answer.json,
    rawResponse: { statusCode: answer.status, headers, body: answer.json },
  };
}

const pollerOf = (body: object) =>
  createHttpPoller<{ status: string }, OperationState<{ status: string }>>(
    {
      sendInitialRequest: () => callLro('POST', '/deployments', body),
      sendPollRequest: path => callLro('GET', path),
    },
    { intervalInMs: 50, resourceLocationConfig: 'location' },
  );

t.test("Azure's own poller follows an operation to its end", async t => {
  const states: string[] = [];
  const poller = await pollerOf(requestFor('polled'));
  poller.onProgress(({ status }) => states.push(status));
  await poller.pollUntilDone();
  t.equal(poller.getOperationState().status, 'succeeded');
  t.ok(states.includes('running'), 'it saw it run');
  t.equal((await ask('GET', '/deployments/demo:polled')).json.status, 'Running');

  const failed = await pollerOf(failing('polled-in-vain'));
  await t.rejects(failed.pollUntilDone(), { message: /ContainerCrashed/ });
  t.equal(failed.getOperationState().status, 'failed');
});

t.test('who hangs up ends his wait, and nothing else', async t => {
  const steps = [{ afterMs: 0, provisioningState: 'Pending', state: 'Pending' }];
  for (const group of ['hung-up', 'hung-post']) await world.control('POST', 'lives', { group, steps });
  const { json } = await ask('POST', '/deployments', {
    body: requestFor('hung-up'),
    headers: { prefer: 'respond-async' },
  });
  const authorization = `Bearer ${token}`;
  const post = { method: 'POST', body: JSON.stringify(requestFor('hung-post')) };
  const waits = [
    ['/deployments', post] as const,
    [`/operations/${json.operation}/wait`, {}] as const,
    [`/deployments/${json.id}`, {}] as const,
  ].map(([path, request]) => {
    const hangUp = new AbortController();
    const headers = { authorization, prefer: 'wait=40', 'content-type': 'application/json' };
    const answer = fetch(`${service.url}${path}`, { ...request, headers, signal: hangUp.signal });
    return { hangUp, answer };
  });
  // All are held: what was asked after them is answered before them.
  await eventually(
    'what was posted to be accepted',
    async () => (await ask('GET', '/deployments/demo:hung-post')).status === 200,
  );
  await ask('GET', `/operations/${json.operation}`);
  for (const { hangUp, answer } of waits) {
    hangUp.abort();
    await t.rejects(answer, { name: 'AbortError' });
  }
  t.equal((await ask('GET', `/deployments/${json.id}`)).json.settled, false, 'the deployment goes on');
  await service.stop('SIGTERM');
  t.equal(service.child.exitCode, 0, 'and nothing holds the stop up');
  t.notMatch(service.said(), /unhandled/i);
});
