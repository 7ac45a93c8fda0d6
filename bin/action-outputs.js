import { text } from 'node:stream/consumers';

// For action.yml: what `slipway deploy --output json` answered, as a step's outputs. A value is one line.
const { deployment } = JSON.parse((await text(process.stdin)) || '{}');
const { ip, fqdn } = deployment?.containerGroup?.ipAddress ?? {};
const outputs = { deployment: deployment?.id, status: deployment?.status, address: fqdn ?? ip };
for (const [name, value] of Object.entries(outputs))
  if (value) console.log(`${name}=${String(value).replaceAll(/[\r\n]/g, ' ')}`);
