import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import type { FastifyInstance } from 'fastify';

const directory = join(import.meta.dirname, 'console');

const types = new Map([
  ['.html', 'text/html; charset=utf-8'],
  ['.css', 'text/css; charset=utf-8'],
  ['.js', 'text/javascript; charset=utf-8'],
  ['.svg', 'image/svg+xml'],
]);

/** Only what is served here runs, only this service is asked, and no text can become markup. */
const headers = {
  'content-security-policy': [
    "default-src 'none'",
    ...["script-src 'self'", "style-src 'self'", "connect-src 'self'", "img-src 'self'"],
    ...["base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"],
    ...["require-trusted-types-for 'script'", "trusted-types 'none'"],
  ].join('; '),
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
};

/** A page to look at deployments with. It is public, as it says nothing: what it shows it asks for with the reader's token. */
export function registerConsole(app: FastifyInstance): void {
  const open = { config: { permission: 'public' }, schema: { hide: true } } as const;
  for (const name of readdirSync(directory)) {
    const content = readFileSync(join(directory, name));
    const type = types.get(extname(name));
    if (!type) throw new Error(`the console has no type for ${name}`);
    app.get(name === 'console.html' ? '/console' : `/console/${name}`, open, (_request, reply) =>
      reply.headers(headers).type(type).send(content),
    );
  }
  app.get('/console/', open, (_request, reply) => reply.redirect('../console'));
}
