import type { FastifyInstance } from 'fastify';

declare module 'fastify' {
  interface FastifyInstance {
    /** The methods that the resource at this address answers; none where there is no such resource. */
    methodsOf(url: string): string[];
  }
}

/** Fastify answers 404 for a known address asked with another method; HTTP wants 405 with `Allow`. */
export function registerMethods(app: FastifyInstance): void {
  const routes: { pattern: RegExp; methods: string[] }[] = [];
  app.addHook('onRoute', ({ url, method }) => {
    if (url.includes('*')) return;
    const source = url.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll(/:[A-Za-z]+/g, '[^/]+');
    routes.push({ pattern: new RegExp(`^${source}$`), methods: [method].flat() });
  });
  app.decorate('methodsOf', (url: string) => {
    const path = url.split('?', 1)[0] ?? '';
    const methods = routes.filter(({ pattern }) => pattern.test(path)).flatMap(route => route.methods);
    return [...new Set(methods)].sort();
  });
}
