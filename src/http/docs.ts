import { createRequire } from 'node:module';
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { FastifyInstance } from 'fastify';
import { Type } from 'typebox';
import { createError, requestErrors } from '../errors.ts';
import { failureKinds } from '../failures.ts';
import { answers } from './responses.ts';

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
    registerErrorPages(app.withTypeProvider<TypeBoxTypeProvider>());
  });
}

const ErrorPage = Type.Object(
  {
    code: Type.String(),
    title: Type.String(),
    status: Type.Optional(Type.Integer()),
    owner: Type.Optional(Type.String()),
    retryable: Type.Optional(Type.Boolean()),
    confidence: Type.Optional(Type.String()),
  },
  { additionalProperties: false },
);

function registerErrorPages(app: ReturnType<typeof typed>): void {
  app.get(
    '/docs/errors/:code',
    {
      config: { permission: 'public' },
      schema: {
        operationId: 'getErrorCode',
        tags: ['docs'],
        security: [],
        summary: 'What an error code means',
        params: Type.Object({ code: Type.String({ maxLength: 64 }) }, { additionalProperties: false }),
        response: answers({ 200: ErrorPage }),
      },
    },
    async request => explainCode(request.params.code),
  );
}

const typed = (app: FastifyInstance) => app.withTypeProvider<TypeBoxTypeProvider>();

function explainCode(code: string) {
  const failure = Object.entries(failureKinds).find(([name]) => name === code)?.[1];
  const request = Object.entries(requestErrors).find(([name]) => name === code)?.[1];
  if (!failure && !request) throw createError('NotFound', 'There is no such code.');
  return {
    code,
    ...(request ? { status: request[0], title: request[1] } : {}),
    ...(failure ?? {}),
    title: failure?.title ?? request?.[1] ?? code,
  };
}
