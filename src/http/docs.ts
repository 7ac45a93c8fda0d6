import { createRequire } from 'node:module';
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance } from 'fastify';
import { registerErrorPages } from './error-pages.ts';
import { describeDocument, describeRoute } from './open-api.ts';

const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };

/** The UI's own routes come from a plugin and declare nothing: they are public, as the document is. */
export function openDocs(app: FastifyInstance): void {
  app.addHook('onRoute', route => {
    if (route.url.startsWith('/docs')) route.config = { permission: 'public', ...route.config };
  });
}

/** The OpenAPI document from the routes' own schemas, its page, and a page for every error code: all without any file from outside. */
export async function registerDocs(app: FastifyInstance, publicUrl: string | null): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Slipway',
        version,
        description:
          'Deploys containers to Azure Container Instances from private registries without anyone handling a registry password.',
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      servers: [{ url: publicUrl ?? '/' }],
      components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } } },
      security: [{ bearer: [] }],
    },
    transform: describeRoute,
    transformObject: describeDocument,
    refResolver: {
      buildLocalReference: (json, _base, _fragment, index) =>
        typeof json.$id === 'string' ? json.$id : `def-${index}`,
    },
  });
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP: true,
    uiConfig: { persistAuthorization: false },
  });
  app.after(() => {
    for (const [format, type] of [
      ['json', 'application/json'],
      ['yaml', 'application/yaml'],
    ] as const)
      app.get(
        `/docs/openapi.${format}`,
        { config: { permission: 'public' }, schema: { hide: true } },
        (_request, reply) =>
          reply
            .type(type)
            .send(format === 'json' ? JSON.stringify(app.swagger()) : app.swagger({ yaml: true })),
      );
    registerErrorPages(app);
  });
}
