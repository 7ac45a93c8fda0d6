import { execFile } from 'node:child_process';
import { globSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { keepScreenshot, noBrowser, openBrowser } from '../support/browser.ts';
import { testDatabaseUrl } from '../support/database.ts';
import { startDemoWorld } from '../support/demo-world.ts';
import { createCaller, requestFor, startProcess } from '../support/service.ts';

const world = await startDemoWorld(t);
const service = await startProcess(t, ['src/main.ts'], { ...world.env, ...(await testDatabaseUrl(t)) });
const token = await world.token();
const ask = createCaller(service.url, token);

t.test('the page and its parts are public, and let nothing in that is not theirs', async t => {
  const asNobody = createCaller(service.url, null);
  const { status, headers, text } = await asNobody('GET', '/console');
  t.equal(status, 200);
  t.match(headers.get('content-type'), /^text\/html/);
  const policy = headers.get('content-security-policy') ?? '';
  t.same(
    policy.split('; ').filter(directive => !/ 'none'$/.test(directive)),
    [
      "script-src 'self'",
      "style-src 'self'",
      "connect-src 'self'",
      "img-src 'self'",
      "require-trusted-types-for 'script'",
    ],
    'no inline code, no eval, no other host',
  );
  for (const directive of ['default-src', 'base-uri', 'form-action', 'frame-ancestors', 'trusted-types'])
    t.match(policy, `${directive} 'none'`);
  t.equal(headers.get('referrer-policy'), 'no-referrer');
  const parts = [...text.matchAll(/(?:href|src)="(console\/[^"]+)"/g)].map(([, path = '']) => path);
  t.ok(parts.length >= 3, 'it names its parts');
  t.notMatch(
    text,
    /<script(?![^>]*\bsrc=)|<style| on\w+=| style=|https?:/,
    'and has nothing inline and from nowhere else',
  );
  for (const path of parts) {
    const part = await asNobody('GET', `/${path}`);
    t.equal(part.status, 200, path);
    t.equal(part.headers.get('content-security-policy'), policy);
    t.equal(part.headers.get('x-content-type-options'), 'nosniff');
  }
  for (const path of ['/console/../package.json', '/console/%2e%2e%2fapp.ts', '/console/nothing.js'])
    t.equal((await asNobody('GET', path)).status, 401, path);
});

const attack = '<img src=x onerror="globalThis.attacked=1"><script>globalThis.attacked=1</script>';
const loggedAttack = '<img src=x onerror=globalThis.attacked=1>';

t.test('a person follows a failing deployment from POST to its fix', { skip: noBrowser }, async t => {
  const { context, page, profile, said, asked } = await openBrowser(t);
  await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: service.url });
  await page.goto(`${service.url}/console`);
  const field = page.getByLabel('Paste an access token');

  await t.test('who has no token sees nothing', async t => {
    for (const [wrong, why] of [
      ['nonsense', 'three parts'],
      [`${token.slice(0, -8)}AAAAAAAA`, 'not valid'],
    ] as const) {
      await field.fill(wrong);
      await page.getByRole('button', { name: 'Sign in' }).click();
      await page.getByRole('alert').filter({ hasText: why }).waitFor();
      t.equal(await field.inputValue(), '', 'and what was pasted is gone from the page');
    }
  });

  await field.fill(token);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { name: 'Deployments', exact: true }).waitFor();
  await page.getByText('There are no deployments yet').waitFor();

  const { json: failed } = await ask('POST', '/deployments', {
    headers: { prefer: 'wait=45' },
    body: {
      name: 'billing',
      containers: [{ name: 'app', image: 'ghcr.io/myorg/log-forwarder:2.0.1' }],
      imageRegistryCredentials: [{ server: 'ghcr.io', secretName: 'ghcr-wrong' }],
    },
  });
  const { failure } = failed;
  const [fix] = failure.fixes;

  await t.test('it comes up by itself and says why, and what to do', async t => {
    const row = page.getByRole('link', { name: /billing.*Failed/ });
    await row.filter({ hasText: failure.title }).waitFor();
    await row.focus();
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: failure.title }).waitFor();
    await page.getByText(failure.detail, { exact: true }).waitFor();
    await page.getByText(fix.action).waitFor();
    for (const cause of failure.causes) await page.getByText(cause, { exact: true }).waitFor();
    await page.getByText('What was seen').click();
    await page.getByText('token ghcr.io 403 DENIED').waitFor();
    t.equal(
      await page.getByRole('link', { name: failure.code }).getAttribute('href'),
      `docs/errors/${failure.code}`,
    );
    await page.getByRole('list', { name: 'Events' }).getByText('RegistryAuthenticationFailed').waitFor();
    await page.getByText('Nothing of it runs', { exact: false }).waitFor();
    await page.getByRole('button', { name: 'Copy' }).first().click();
    await page.getByRole('button', { name: 'Copied' }).waitFor();
    t.equal(
      await page.evaluate('navigator.clipboard.readText()'),
      fix.command,
      'the command is copied whole',
    );
    await keepScreenshot(page, 'console-failure');
  });

  await t.test('and once that is done, by what deploys it again it runs', async t => {
    const { world: azure } = JSON.parse(readFileSync(join(world.data, 'azure/world.json'), 'utf8'));
    const { tags, value } = azure.vaults['demo-vault'].secrets['ghcr-pull'].versions[0];
    await world.control('POST', 'world', { secrets: [{ name: 'ghcr-wrong', value, tags }] });
    const again = page.locator('.command').last();
    await again.getByRole('button').click();
    await again.getByText('Copied').waitFor();
    const command = await page.evaluate<string>('navigator.clipboard.readText()');
    const { PATH } = process.env;
    const { stdout } = await promisify(execFile)('bash', ['-c', command], { env: { PATH, TOKEN: token } });
    t.match(JSON.parse(stdout), { name: 'billing', spec: failed.spec });
    await page.getByRole('link', { name: '← Deployments' }).click();
    await page.getByRole('link', { name: /billing.*Running/ }).waitFor();
    t.pass('the list shows it by itself');
  });

  await t.test('a running one is followed as it goes', async t => {
    const command = ['/bin/sh', '-c', `echo "${loggedAttack}"; while true; do echo working; sleep 20; done`];
    const containers = [{ name: 'app', image: 'myregistry.azurecr.io/my-app:v1.0', command }];
    const body = requestFor('orders', { containers, labels: { note: attack } });
    const begun = await ask('POST', '/deployments', { body, headers: { prefer: 'respond-async' } });
    await page.getByRole('link', { name: /orders/ }).click();
    await page.getByRole('heading', { name: 'orders' }).waitFor();
    await page.locator('.states').getByText('Running').waitFor();
    await page.getByRole('list', { name: 'Events' }).getByText('Every container runs').waitFor();
    t.same(
      await page.locator('.phases .phase').allTextContents(),
      ['Accepted', 'Resolving', 'Submitting', 'Provisioning', 'Running'],
      'its timeline',
    );
    const { json } = await ask('GET', `/deployments/${begun.json.id}`);
    await page
      .getByText(json.containerGroup.ipAddress?.ip ?? json.images[0].digest)
      .first()
      .waitFor();
    await page.locator('.states').getByText('Healthy').waitFor();
    await page.getByRole('button', { name: 'Logs of app' }).click();
    const logs = page.getByLabel('Logs of app', { exact: true });
    await logs.getByText(loggedAttack).waitFor();
    await logs.getByText('working').first().waitFor();
    await page.getByText(attack, { exact: true }).waitFor();
    t.equal(await page.locator('main img').count(), 0, 'markup in labels and logs stays text');
    await keepScreenshot(page, 'console-running');
  });

  await t.test('why nothing moves is said while it is so', async t => {
    const outage = { host: 'demo-vault.vault.azure.net', times: 1_000, response: { status: 503, body: {} } };
    await world.control('POST', 'faults', outage);
    const { json } = await ask('POST', '/deployments', {
      // What was read before would still serve for a while.
      body: requestFor('patient', {
        imageRegistryCredentials: [{ server: 'myregistry.azurecr.io', secretName: 'acr-token' }],
      }),
      headers: { prefer: 'respond-async' },
    });
    await page.goto(`${service.url}/console#/deployments/${json.id}`);
    const notice = page.locator('.notice').filter({ hasText: 'Vault outage' });
    await notice.waitFor();
    await world.control('DELETE', 'faults');
    await page.locator('.states').getByText('Running').waitFor();
    await notice.waitFor({ state: 'detached' });
    t.pass('and no longer');
  });

  await t.test('markup in what Azure says stays text, and nothing can be parsed', async t => {
    const failing = {
      name: 'app',
      currentState: { state: 'Waiting', detailStatus: attack },
      restartCount: 0,
      events: [
        { name: 'Failed', message: `Failed to pull image "${attack}": ${attack}`, type: 'Warning', count: 1 },
        { name: 'BackOff', message: attack, type: 'Normal', count: 1 },
      ],
    };
    await world.control('POST', 'lives', {
      group: 'attacked',
      steps: [
        { afterMs: 0, provisioningState: 'Pending', state: 'Pending' },
        { afterMs: 200, provisioningState: 'Creating', state: 'Pending', containers: [failing] },
      ],
    });
    const { json } = await ask('POST', '/deployments', {
      body: requestFor('attacked', { source: { repository: 'https://x.example/"onload=alert(1)' } }),
      headers: { prefer: 'respond-async' },
    });
    await page.goto(`${service.url}/console#/deployments/${json.id}`);
    await page.getByRole('list', { name: 'Events' }).getByText(attack).first().waitFor();
    t.equal(await page.locator('main img, main script, main iframe').count(), 0);
    t.equal(await page.evaluate(`'attacked' in globalThis`), false);
    const inserted = await page.evaluate(`(() => {
      try {
        document.createElement('p').innerHTML = '<b>parsed</b>';
        return 'parsed';
      } catch (error) {
        return error.name;
      }
    })()`);
    t.equal(inserted, 'TypeError', 'nothing can be parsed into the page');
  });

  await t.test('it fits a phone, in the dark too', async t => {
    await page.setViewportSize({ width: 360, height: 780 });
    await page.emulateMedia({ colorScheme: 'dark' });
    const wide = () => page.evaluate<number>('document.documentElement.scrollWidth');
    t.ok((await wide()) <= 360, 'a deployment');
    await keepScreenshot(page, 'console-phone');
    await page.getByRole('link', { name: '← Deployments' }).click();
    await page.getByLabel('Status').selectOption('Running');
    await page.getByRole('link', { name: /orders/ }).waitFor();
    await page.getByRole('link', { name: /billing.*Failed/ }).waitFor({ state: 'detached' });
    t.match(page.url(), /#\/\?status=Running$/, 'filters are part of the address');
    t.equal(await page.evaluate('document.activeElement.name'), 'status', 'and keep the focus');
    t.ok((await wide()) <= 360, 'the list');
    const background = await page.evaluate<string>('getComputedStyle(document.body).backgroundColor');
    t.match(background, /^rgb\((?:\d|[1-3]\d), /, 'dark');
    await keepScreenshot(page, 'console-phone-list');
    await page.setViewportSize({ width: 1200, height: 900 });
  });

  await t.test('the token is in the memory of the page and nowhere else', async t => {
    const signature = token.split('.')[2] ?? token;
    const kept = await page.evaluate<string>(`(async () =>
      JSON.stringify([
        { ...localStorage },
        { ...sessionStorage },
        await indexedDB.databases(),
        await caches.keys(),
        document.cookie,
        history.state,
        location.href,
        document.documentElement.outerHTML,
        [...document.querySelectorAll('input, textarea')].map(field => field.value),
      ]))()`);
    t.notMatch(kept, signature);
    t.match(kept, /^\[\{\},\{\},\[\],\[\],"",null,/, 'nothing is kept at all');
    t.same(await context.cookies(), []);
    t.notOk(
      asked.some(url => url.includes(signature)),
      'nor in an address',
    );
    t.same(
      asked.filter(url => !url.startsWith(`${service.url}/`)),
      [],
      'and nobody else was asked for anything',
    );
    await page.reload();
    await field.waitFor();
    await page.getByRole('link', { name: /orders/ }).waitFor({ state: 'detached' });
    t.same(
      said.filter(text => !/status of 401/.test(text) && !/trusted/i.test(text)),
      [],
      'no script failed, and none was refused',
    );
    await context.close();
    const files = globSync('**', { cwd: profile })
      .map(name => join(profile, name))
      .filter(path => statSync(path, { throwIfNoEntry: false })?.isFile());
    t.ok(files.length > 10, 'the profile was looked through');
    t.same(
      files.filter(path => readFileSync(path).includes(signature)),
      [],
    );
  });
});
