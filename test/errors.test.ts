import { Writable } from 'node:stream';
import { inspect } from 'node:util';
import t from 'tap';
import { createError, RequestError, RetryableError, requestErrors } from '../src/errors.ts';
import { failureCodes, failureKinds } from '../src/failures.ts';
import { createLog } from '../src/log.ts';
import { Secret, scrub } from '../src/secret.ts';

t.test('an error on the way in takes its status and title from the table', async t => {
  const error = createError('DeploymentExists', 'there is one');
  t.ok(error instanceof RequestError);
  t.match(error, {
    code: 'DeploymentExists',
    statusCode: 409,
    title: 'A deployment of this name exists',
    message: 'there is one',
  });
  for (const [code, [status, title]] of Object.entries(requestErrors)) {
    t.ok(status >= 400 && status < 600, `${code} has an error status`);
    t.match(title, /^[A-Z].*[^.]$/, `${code} has a title`);
  }
});

t.test('every kind of failure says who must act and whether a retry can help', async t => {
  t.ok(failureCodes.length > 40);
  for (const code of failureCodes) {
    t.match(failureKinds[code].owner, /^(?:caller|registryOwner|platform)$/, code);
    t.match(code, /^[A-Z][A-Za-z]+$/);
  }
});

t.test('what may pass says when to look again', async t => {
  t.match(new RetryableError('VaultOutage', 'no answer', 500), { reason: 'VaultOutage', againInMs: 500 });
});

t.test('a secret is never text, however it is printed', async t => {
  const value = 'correct horse battery staple';
  using secret = new Secret(value);
  for (const text of [
    `${secret}`,
    JSON.stringify({ secret }),
    inspect({ deep: { secret } }),
    String(secret),
    Object.prototype.toString.call(secret),
  ])
    t.notMatch(text, value);
  t.equal(secret.reveal(), value);
});

t.test('the scrubber knows live secrets, raw and escaped, and forgets them after their step', async t => {
  const value = 'line"break\\and-quote';
  const secret = new Secret(value);
  const twin = new Secret(value);
  t.notMatch(scrub(`raw ${value}`), value);
  t.notMatch(scrub(JSON.stringify({ value })), JSON.stringify(value).slice(1, -1));
  secret[Symbol.dispose]();
  secret[Symbol.dispose]();
  t.not(scrub(value), value, 'another holder still lives');
  twin[Symbol.dispose]();
  t.equal(scrub(value), value);
});

t.test(
  'the log is one JSON line each, scrubbed at its sink, and tells no more of an error than it says',
  async t => {
    const lines: string[] = [];
    const to = new Writable({
      write(chunk, _encoding, done) {
        lines.push(String(chunk));
        done();
      },
    });
    const log = createLog({ level: 'info', to });
    using _secret = new Secret('hunter2-hunter2');
    log.info({ deep: { er: { message: 'said hunter2-hunter2' } } }, 'password hunter2-hunter2\nnext');
    log.error(
      { err: Object.assign(new Error('refused'), { code: 'E1', request: { body: 'the whole request' } }) },
      'failed',
    );
    log.error({ err: 'just text' }, 'odd');
    await new Promise(done => setImmediate(done));
    t.equal(lines.length, 3);
    t.notMatch(lines.join(''), 'hunter2-hunter2');
    t.notMatch(lines.join(''), 'the whole request');
    t.match(JSON.parse(lines[1] ?? ''), { err: { name: 'Error', code: 'E1', message: 'refused' } });
  },
);
