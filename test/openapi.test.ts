import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020 } from 'ajv/dist/2020.js';
import t from 'tap';
import { errorList } from '../src/commands/error-list.ts';
import { buildDocument } from '../src/commands/openapi-document.ts';
import { describeCode } from '../src/deployments/explain.ts';
import { requestErrors } from '../src/errors.ts';
import { failureCodes } from '../src/failures.ts';
import { breakingChanges, saysBreaking } from './support/breaking-changes.ts';

const committed = (name: string) => readFileSync(join(import.meta.dirname, '../openapi', name), 'utf8');

t.test('the committed OpenAPI document is the one that the routes make', async t => {
  const { json, yaml } = await buildDocument();
  t.equal(committed('openapi.json'), json, 'openapi.json is stale: run npm run openapi');
  t.equal(committed('openapi.yaml'), yaml, 'openapi.yaml is stale: run npm run openapi');
});

t.test('the list of codes is the one that the tables make', async t => {
  const list = readFileSync(join(import.meta.dirname, '../docs/errors.md'), 'utf8');
  t.equal(list, errorList(), 'docs/errors.md is stale: run npm run openapi');
  for (const code of failureCodes) {
    const { detail, fixes } = describeCode(code);
    t.ok(detail.length > 10 && fixes.length > 0, `${code} says what happened and what to do`);
    t.notMatch(fixes[0]?.action, /^Look at the evidence/, `${code} has a fix of its own`);
  }
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

t.test('what clients rely on stays, unless the version says otherwise', async t => {
  const [released, present] = ['released.json', 'openapi.json'].map(name => JSON.parse(committed(name)));
  if (!saysBreaking(released.info.version, present.info.version))
    t.same(breakingChanges(released, present), [], 'a new version, or the change taken back');

  const broken = structuredClone(released);
  const { Deployment, DeploymentRequest, Operation } = broken.components.schemas;
  delete broken.paths['/me'];
  broken.paths['/deployments'].get.operationId = 'listAll';
  delete Deployment.properties.health;
  DeploymentRequest.required.push('team');
  Operation.properties.status.enum.pop();
  DeploymentRequest.properties.containers.maxItems = 1;
  Operation.required = Operation.required.filter((name: string) => name !== 'kind');
  const { get: list } = broken.paths['/deployments'];
  list.parameters = list.parameters.filter(({ name }: { name: string }) => name !== 'continuation');
  delete broken.paths['/deployments'].post.responses[202];
  const found = breakingChanges(released, broken);
  for (const change of [
    'get /me is gone',
    'get /deployments has another operationId',
    'Deployment no longer has health',
    'DeploymentRequest now requires team',
    'Operation.status no longer has the value Canceled',
    'DeploymentRequest.containers takes less: maxItems 1',
    'Operation may now leave kind out',
    'get /deployments no longer takes query continuation',
    'post /deployments no longer answers 202',
  ])
    t.ok(found.includes(change), change);

  const grown = structuredClone(released);
  grown.paths['/new'] = grown.paths['/me'];
  grown.components.schemas.Deployment.properties.more = { type: 'string' };
  grown.components.schemas.Failure.properties.code.enum.push('More');
  grown.components.schemas.DeploymentRequest.properties.more = { type: 'string' };
  t.same(breakingChanges(released, grown), [], 'more is no break');
  t.ok(saysBreaking('0.1.0', '0.2.0') && saysBreaking('1.9.0', '2.0.0') && !saysBreaking('1.1.0', '1.2.0'));
});

type Body = { content: { 'application/json': { schema: { examples?: object[] } } } };

t.test('every example fits its schema', async t => {
  const document = JSON.parse(committed('openapi.json'));
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  ajv.addSchema(document, 'openapi');
  let tried = 0;
  for (const [name, { examples = [] }] of Object.entries<{ examples?: object[] }>(
    document.components.schemas,
  ))
    for (const example of examples) {
      tried += 1;
      const fits = ajv.validate({ $ref: `openapi#/components/schemas/${name}` }, example);
      t.ok(fits, `${name}: ${ajv.errorsText()}`);
    }
  for (const [path, methods] of Object.entries<Record<string, object>>(document.paths))
    for (const [method, { requestBody }] of Object.entries(methods) as [string, { requestBody?: Body }][]) {
      const { examples = [], ...schema } = requestBody?.content['application/json'].schema ?? {};
      for (const example of examples) {
        tried += 1;
        t.ok(ajv.validate(schema, example), `${method} ${path}: ${ajv.errorsText()}`);
      }
    }
  t.ok(tried > 9);
});

t.test('every operation names every status and code by itself', async t => {
  const { paths, components } = JSON.parse(committed('openapi.json'));
  const named = new Set<string>(components.schemas.Failure.properties.code.enum);
  for (const [path, methods] of Object.entries<Record<string, object>>(paths))
    for (const [method, { responses }] of Object.entries(methods) as [string, { responses: object }][]) {
      const statuses = Object.keys(responses);
      t.notOk(
        statuses.some(each => /x/i.test(each)),
        `${method} ${path} has no range of statuses`,
      );
      t.ok(
        ['400', '431', '500', '503'].every(each => statuses.includes(each)),
        `${method} ${path} has the errors of all`,
      );
      t.equal(statuses.includes('415'), method !== 'get', `${method} ${path}: 415 where there may be a body`);
      for (const code of JSON.stringify(responses).matchAll(/"([A-Z]\w+)"/g)) named.add(code[1] ?? '');
    }
  const codes = [...Object.keys(requestErrors), ...failureCodes].filter(code => code !== 'MethodNotAllowed');
  t.same(
    codes.filter(code => !named.has(code)),
    [],
    'every code is in the document',
  );
});
