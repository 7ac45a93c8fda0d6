import t from 'tap';
import { findCanaries } from '../../src/commands/canaries.ts';

const canary = 'Zq7-Canary+Value/42"x';

t.test('a secret is found however it is written down', async t => {
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  const spellings: [string, string | Buffer][] = [
    ['raw', `before ${canary} after`],
    ['JSON', JSON.stringify({ password: canary })],
    ['in an address', `https://x/?p=${encodeURIComponent(canary)}`],
    ['base64', base64(canary)],
    ['base64 of a login', base64(`me:${canary}`)],
    ['base64 after one more', base64(`u1:${canary}!`)],
    ['base64url', Buffer.from(`user:${canary}?`).toString('base64url')],
    ['hex', Buffer.from(canary).toString('hex')],
    ['UTF-16', Buffer.from(canary, 'utf16le')],
  ];
  for (const [place, content] of spellings)
    t.same(findCanaries([{ place, content }], [canary]), [place], place);
});

t.test('other texts are left in peace', async t => {
  const innocent = ['nothing here', canary.slice(1), base64Of('another value of length')];
  t.same(
    findCanaries(
      innocent.map(content => ({ place: content, content })),
      [canary],
    ),
    [],
  );
});

const base64Of = (text: string) => Buffer.from(text).toString('base64');
