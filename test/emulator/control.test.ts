import t from 'tap';
import { demo } from '../../src/emulator/demo-ids.ts';
import { startTestEmulator, type TestEmulator } from '../support/emulator.ts';

const arm = 'https://management.azure.com';
const subscription = `${arm}/subscriptions/${demo.subscriptionId}`;
const groupsUrl = `${subscription}/resourceGroups?api-version=2021-04-01`;
const control = (path: string) => `${arm}/_emulator/${path}`;

async function cause(emulator: TestEmulator, fault: object): Promise<string> {
  const { status, json } = await emulator.ask(control('faults'), { body: fault });
  if (status !== 200) throw new Error(JSON.stringify(json));
  return json.id;
}

t.test('the journal answers what is asked of it', async t => {
  const emulator = await startTestEmulator(t);
  const token = await emulator.token('administrator', `${arm}/.default`);
  const fault = await cause(emulator, { host: 'ghcr.io', times: 1, response: { status: 503 } });
  await emulator.ask(groupsUrl, { token });
  await emulator.ask(groupsUrl);
  await emulator.ask('https://ghcr.io/v2/');
  await emulator.ask('https://ghcr.io/v2/');
  await emulator.ask(`${subscription}/providers/Microsoft.Compute/disks?api-version=2021-04-01`, { token });
  await emulator.ask('https://nobody.example/path?x=1');
  await emulator.ask('https://nobody.example/path?x=2');

  const found = async (query: string) => {
    const { status, json } = await emulator.ask(control(`journal?${query}`));
    t.equal(status, 200, query);
    return json.value.map((each: { host: string; status: number }) => `${each.host} ${each.status}`);
  };
  const administrator = '00000000-0000-0000-0000-00000000cccc';
  t.same(await found('host=ghcr.io'), ['ghcr.io 503', 'ghcr.io 401']);
  t.same(await found('host=ghcr.io&status=4xx'), ['ghcr.io 401']);
  t.same(await found('status=200'), ['management.azure.com 200']);
  t.same(await found(`fault=${fault}`), ['ghcr.io 503']);
  t.same(await found(`caller=${administrator}&path=${encodeURIComponent('/resourcegroups\\?')}`), [
    'management.azure.com 200',
  ]);
  t.same(await found('method=get&last=2'), ['nobody.example 501', 'nobody.example 501']);
  t.same(await found('unexpected=true&last=1'), ['nobody.example 501']);
  t.same(await found('method=DELETE'), []);
  const { json } = await emulator.ask(control('unexpected'));
  t.same(
    json.value.map(
      (each: { method: string; host: string; path: string }) => `${each.method} ${each.host}${each.path}`,
    ),
    [
      `GET management.azure.com/subscriptions/${demo.subscriptionId}/providers/Microsoft.Compute/disks?api-version=2021-04-01`,
      'GET nobody.example/path?x=2',
    ],
    'each once, with the last request for it',
  );
  for (const [query, sentence] of [
    ['hots=ghcr.io', /there is no 'hots': it takes since, last, host/],
    ['status=teapot', /'status' is a status/],
    ['path=(', /'path' is no regular expression/],
    ['since=-1', /'since' is a number/],
    ['last=many', /'last' is a number/],
    ['unexpected=no', /'unexpected' is true/],
    ['constructor=1', /there is no 'constructor'/],
  ] as const) {
    const { status, json } = await emulator.ask(control(`journal?${query}`));
    t.equal(status, 400);
    t.match(json.error.message, sentence);
  }
});

t.test('the journal keeps the last requests, and no more', async t => {
  const { createJournal } = await import('../../src/emulator/door/journal.ts');
  const journal = createJournal(100);
  const entry = { at: '', host: 'h', method: 'GET', status: 501, caller: null, unexpected: true } as const;
  for (let index = 0; index < 5_000; index++) journal.record({ ...entry, path: `/${index}` });
  const kept = journal.since(0);
  t.equal(kept.length, 100);
  t.equal(kept.at(-1)?.seq, 5_000);
  t.equal(journal.since(4_990).length, 10);
  t.equal(journal.unexpected().length, 1_000);
});

t.test('the real answer, altered', async t => {
  const emulator = await startTestEmulator(t);
  const token = await emulator.token('administrator', `${arm}/.default`);

  await t.test('a list goes on elsewhere', async t => {
    const nextLink = 'https://attacker.example/steal?api-version=1';
    await cause(emulator, { host: 'management.azure.com', times: 1, alter: { members: { nextLink } } });
    const { status, json, headers } = await emulator.ask(groupsUrl, { token });
    t.equal(status, 200);
    t.equal(json.nextLink, nextLink);
    t.equal(json.value.length, 2, 'the rest is as it was');
    t.ok(headers['x-ms-request-id']);
    t.notOk((await emulator.ask(groupsUrl, { token })).json.nextLink, 'once');
  });

  await t.test('an operation is to be followed elsewhere, and the group is made', async t => {
    const elsewhere = 'https://attacker.example/operations/1';
    await cause(emulator, {
      host: 'management.azure.com',
      method: 'PUT',
      path: '/containerGroups/',
      times: 1,
      alter: { headers: { 'azure-asyncoperation': elsewhere, 'x-ms-request-id': null } },
    });
    const url = `${subscription}/resourceGroups/my-resource-group/providers/Microsoft.ContainerInstance/containerGroups/elsewhere?api-version=2023-05-01`;
    const properties = {
      osType: 'Linux',
      containers: [
        {
          name: 'app',
          properties: { image: 'nginx:1.27', resources: { requests: { cpu: 1, memoryInGB: 1 } } },
        },
      ],
    };
    const made = await emulator.ask(url, { method: 'PUT', token, body: { location: 'eastus', properties } });
    t.equal(made.status, 201);
    t.equal(made.headers['azure-asyncoperation'], elsewhere);
    t.equal(made.headers['x-ms-request-id'], undefined, 'null takes one away');
    t.equal((await emulator.ask(url, { token })).json.name, 'elsewhere');
  });

  await t.test('a registry gives out its tokens elsewhere', async t => {
    const challenge = 'Bearer realm="https://attacker.example/token",service="ghcr.io"';
    await cause(emulator, {
      host: 'ghcr.io',
      path: '^/v2/',
      alter: { headers: { 'www-authenticate': challenge } },
    });
    for (const method of ['GET', 'HEAD'] as const) {
      const { status, headers } = await emulator.ask(
        'https://ghcr.io/v2/myorg/log-forwarder/manifests/latest',
        {
          method,
        },
      );
      t.equal(status, 401);
      t.equal(headers['www-authenticate'], challenge);
    }
  });

  await t.test('members go with null, and what is no object stays as it is', async t => {
    await cause(emulator, { host: 'management.azure.com', times: 1, alter: { members: { value: null } } });
    t.same((await emulator.ask(groupsUrl, { token })).json, {});
    await cause(emulator, { host: 'login.microsoftonline.com', alter: { members: { x: 1 } } });
    const page = await emulator.ask('https://login.microsoftonline.com/common/discovery/instance');
    t.equal(page.json.x, 1);
  });
});

t.test('HTML instead of JSON, with the type that it has', async t => {
  const emulator = await startTestEmulator(t);
  await cause(emulator, {
    host: 'management.azure.com',
    response: { status: 200, headers: { 'content-type': 'text/html' }, body: '<html>sign in</html>' },
  });
  const { headers, text } = await emulator.ask(groupsUrl);
  t.equal(headers['content-type'], 'text/html');
  t.equal(text, '<html>sign in</html>');
});

t.test('what the control surface cannot read is refused with a sentence, and changes nothing', async t => {
  const emulator = await startTestEmulator(t);
  const before = (await emulator.ask(control('world'))).text;
  const rows: [string, object | string | undefined, RegExp][] = [
    ['faults', undefined, /the fault is an object/],
    ['faults', [], /the fault is an object/],
    ['faults', { host: 'x', alter: { header: {} } }, /there is no 'alter\.header'/],
    ['faults', { host: 'x', alter: { headers: { 'a b': '1' } } }, /no header can have/],
    ['faults', { host: 'x', response: { status: 200, headers: { a: 'b\r\nc: d' } } }, /no header can have/],
    ['faults', { host: 'x', response: { status: 200, headers: { a: {} } } }, /no header can have/],
    ['faults', { host: 'x', response: { status: '200' } }, /status from 200/],
    ['faults', { host: 'x', times: 0, reset: true }, /'times' is 1 or more/],
    ['faults', { host: 5, reset: true }, /'host'/],
    ['faults', { host: 'x', reset: 'yes' }, /'reset' is true/],
    ['faults', { host: 'x', dripBytesPerSecond: 'slow' }, /'dripBytesPerSecond' is a number/],
    ['faults', { host: 'x', echoRequest: 1 }, /echoRequest is an object/],
    ['clock', undefined, /the body is an object/],
    ['clock', { advanceMs: 1, rate: 1 }, /exactly one of/],
    ['clock', { advanceMs: '1' }, /'advanceMs' is a number/],
    ['clock', { advanceMs: 1e300 }, /too far/],
    ['lives', {}, /'steps' is a list/],
    ['world', { planets: [] }, /there is no 'planets': it takes subscriptions/],
    ['world', [], /the body is an object/],
    ['world', { secrets: [{ name: 'x' }] }, /'secrets\[0\]\.value' is a text/],
    [
      'world',
      { images: [{ host: 'nowhere.example', repository: 'a' }] },
      /there is no registry 'nowhere\.example'/,
    ],
    ['token', { client: 'nobody' }, /there is no client 'nobody'/],
    ['token', {}, /'client' is a text/],
    ['assertion', { subject: 'x' }, /'audience' is a text/],
    ['clock', '{"advanceMs"', /JSON/],
  ];
  for (const [path, body, sentence] of rows) {
    const { status, json } = await emulator.ask(control(path), {
      method: 'POST',
      ...(typeof body === 'string' ? { headers: { 'content-type': 'application/json' } } : {}),
      ...(body === undefined ? {} : { body }),
    });
    t.equal(status, 400, `${path} ${JSON.stringify(body)?.slice(0, 60)}`);
    t.match(json?.error?.message, sentence);
  }
  t.equal((await emulator.ask(control('world'))).text, before);
  t.same((await emulator.ask(control('faults'))).json.value, []);
  const unknown = await emulator.ask(control('nonsense'));
  t.equal(unknown.status, 501);
  t.equal(
    (await emulator.ask(control('unexpected'))).json.value.length,
    0,
    'control calls are not in the journal',
  );
});
