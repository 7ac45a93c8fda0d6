import { mkdirSync, writeFileSync } from 'node:fs';
import { buildDocument } from './openapi-document.ts';

const directory = new URL('../../openapi/', import.meta.url);
const { json, yaml } = await buildDocument();
mkdirSync(directory, { recursive: true });
writeFileSync(new URL('openapi.json', directory), json);
writeFileSync(new URL('openapi.yaml', directory), yaml);
