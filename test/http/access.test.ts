import Fastify from 'fastify';
import t from 'tap';
import { requireSignIn } from '../../src/http/access.ts';
import type { Caller } from '../../src/schemas/principal.ts';

type Teardown = { teardown(done: () => unknown): unknown };

const somebody = { principal: { issuer: 'entra', subject: 'o1', client: 'c1' }, expiresAt: 4_000_000_000 };
const callers: Record<string, Caller> = {
  reader: { ...somebody, teams: { demo: ['read'] } },
  nobody: { ...somebody, teams: {} },
  crowded: { ...somebody, teams: {}, groupsLeftOut: true },
  operator: { ...somebody, teams: {}, operator: true },
  portal: { ...somebody, teams: { demo: ['deploy', 'read'], other: ['audit'] }, actsForUsersIn: ['demo'] },
};

/** An application whose bearer token is the name of the caller. */
function start(t: Teardown) {
  const app = Fastify();
  t.teardown(() => app.close());
  requireSignIn(
    app,
    { authenticate: async header => callers[header ?? ''] ?? { ...somebody, teams: {} } },
    { spend() {} },
  );
  const routes = { '/read': 'read', '/audit': 'audit', '/deploy': 'deploy', '/me': 'signedIn' } as const;
  for (const [url, permission] of Object.entries(routes))
    app.get(url, { config: { permission } }, async ({ caller }) => ({
      teams: Object.keys(caller?.teams ?? {}),
      onBehalfOf: caller?.onBehalfOf ?? null,
    }));
  return async (who: string, url: string, headers: Record<string, string | string[]> = {}) => {
    const answer = await app.inject({ url, headers: { authorization: who, ...headers } });
    return { status: answer.statusCode, body: answer.json() };
  };
}

t.test('each permission opens what it opens, and no grant at all opens nothing', async t => {
  const ask = start(t);
  const opened = async (who: string) => {
    const statuses: number[] = [];
    for (const url of ['/read', '/audit', '/deploy', '/me']) statuses.push((await ask(who, url)).status);
    return statuses;
  };
  t.same(await opened('reader'), [200, 403, 403, 200]);
  t.same(await opened('operator'), [200, 200, 403, 200]);
  t.same(await opened('portal'), [200, 200, 200, 200]);
  t.same(await opened('nobody'), [403, 403, 403, 403], 'not even /me');
  t.equal((await ask('nobody', '/nowhere')).status, 403, 'nor whether an address exists');
  t.equal((await ask('reader', '/nowhere')).status, 404);
  t.match(await ask('nobody', '/me'), {
    body: { message: /grants nothing to subject 'o1' \(client 'c1'\) of issuer 'entra'\.$/ },
  });
  t.match(await ask('crowded', '/me'), { status: 403, body: { message: /leaves his groups out/ } });
});

t.test('a portal says for whom it asks, and nobody else may', async t => {
  const ask = start(t);
  const acting = (who: string, user: string | string[], url = '/me') =>
    ask(who, url, { 'on-behalf-of': user });
  t.match(await acting('portal', 'corp|ada'), { body: { teams: ['demo'], onBehalfOf: 'corp|ada' } });
  t.match(await acting('portal', 'https://idp.example/|auth0|ada'), {
    body: { onBehalfOf: 'https://idp.example/|auth0|ada' },
  });
  t.match(await ask('portal', '/me'), { body: { teams: ['demo', 'other'], onBehalfOf: null } });
  t.equal((await acting('portal', 'corp|ada', '/audit')).status, 403, 'not where it may not act for users');
  t.equal((await acting('portal', `${'i'.repeat(255)}|${'s'.repeat(255)}`)).status, 200);
  for (const wrong of [
    '',
    'ada',
    '|',
    'corp|',
    '|ada',
    'corp |ada',
    'corp|ada lovelace',
    'corp|ad\u00e4',
    'corp|a\tb',
    `corp|${'s'.repeat(256)}`,
    `${'i'.repeat(256)}|ada`,
  ])
    t.match(await acting('portal', wrong), { status: 400, body: { message: /On-Behalf-Of/ } }, wrong);
  for (const who of ['reader', 'operator'])
    for (const user of ['corp|ada', '', 'nonsense'])
      t.match(
        await acting(who, user),
        { status: 403, body: { message: /On-Behalf-Of is for portals/ } },
        who,
      );
  t.equal((await acting('nobody', 'corp|ada')).status, 403);
});
