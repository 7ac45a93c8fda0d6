import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Validator } from '@seriousme/openapi-schema-validator';
import t from 'tap';
import { buildDocument } from '../src/commands/openapi-document.ts';

const committed = (name: string) => readFileSync(join(import.meta.dirname, '../openapi', name), 'utf8');

t.test('the committed OpenAPI document is the one that the routes make', async t => {
  const { json, yaml } = await buildDocument();
  t.equal(committed('openapi.json'), json, 'openapi.json is stale: run npm run openapi');
  t.equal(committed('openapi.yaml'), yaml, 'openapi.yaml is stale: run npm run openapi');
});

t.test('the document is valid OpenAPI 3.1 and names every operation', async t => {
  const document = JSON.parse(committed('openapi.json'));
  const { valid, errors } = await new Validator().validate(structuredClone(document));
  t.ok(valid, JSON.stringify(errors));
  t.equal(document.openapi, '3.1.0');
  const operations = Object.entries<Record<string, { operationId?: string; responses: object }>>(
    document.paths,
  ).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ name: `${method} ${path}`, operation })),
  );
  t.ok(operations.length >= 10);
  for (const { name, operation } of operations) t.ok(operation.operationId, `${name} has an operationId`);
  const ids = operations.map(({ operation }) => operation.operationId);
  t.equal(new Set(ids).size, ids.length, 'operationIds are unique');
  for (const name of ['Deployment', 'DeploymentRequest', 'Operation', 'Event', 'Failure', 'Problem'])
    t.ok(document.components.schemas[name], `${name} is a schema by name`);
});

t.test('no schema of the document has a place for a password', async t => {
  const names = [...committed('openapi.json').matchAll(/"(\w*)":/g)].map(([, name]) => name ?? '');
  t.same(
    names.filter(name => /password|secretvalue/i.test(name)),
    [],
  );
});
