import { mkdirSync, writeFileSync } from 'node:fs';
import { policySchema } from '../policy/schema.ts';
import { clientTypes } from './client-types.ts';
import { errorList } from './error-list.ts';
import { buildDocument } from './openapi-document.ts';

const directory = new URL('../../openapi/', import.meta.url);
const { json, yaml } = await buildDocument();
mkdirSync(directory, { recursive: true });
writeFileSync(new URL('openapi.json', directory), json);
writeFileSync(new URL('openapi.yaml', directory), yaml);
writeFileSync(new URL('policy.schema.json', directory), `${JSON.stringify(policySchema(), null, 2)}\n`);
writeFileSync(new URL('../client/api.ts', import.meta.url), clientTypes(JSON.parse(json)));
writeFileSync(new URL('../../docs/errors.md', import.meta.url), errorList());
