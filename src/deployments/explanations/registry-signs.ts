import type { RegistryProblem } from '../../registry/client.ts';
import type { Signs } from '../observation.ts';
import { all, any, type Condition, from, not, problem, quotes, says, status } from './rule.ts';

export const registryStatus = (...statuses: number[]) => all(from('registry'), status(...statuses));
/** A network's code, of our own question or as a word of what was said. */
export const network = (codes: RegExp): Condition =>
  any(
    problem(({ networkCode = '' }) => new RegExp(`^(?:${codes.source})`).test(networkCode)),
    all(not(from('registry')), says(new RegExp(`\\b(?:${codes.source})`))),
  );
export const told = (codes: RegExp) => problem(({ registryCode = '' }) => codes.test(registryCode));
export const atStep = (...steps: RegistryProblem['step'][]) => problem(({ step }) => steps.includes(step));
export const at =
  (host: RegExp): Condition =>
  ({ registry = '' }: Signs) =>
    host.test(registry);
export const dockerHub = at(/^(?:registry-1\.)?docker\.io$/);
export const azure = any(at(/\.azurecr\./), quotes(/\.azurecr\./));

export const atTokenService = any(
  says(/\[token service\]|bearer token|(?:oauth|anonymous|auth) token/i),
  atStep('token', 'exchange'),
);
export const forbidden = any(
  says(/\b403\b|Forbidden/),
  registryStatus(403),
  all(told(/^(?:DENIED|FORBIDDEN)$/), not(registryStatus(401))),
);
export const unauthorized = any(says(/unauthorized|authentication required|\b401\b/i), registryStatus(401));
export const anonymous = says(/anonymous token/i);
/** No more than that. */
export const barelyDenied = says(/^denied$|(?:: |DENIED )denied\b(?!:)/);
export const deniedAccess = /requested access to the resource is denied/;
export const mayNotPull = any(
  says(deniedAccess),
  says(
    /unauthorized to access repository|access forbidden|access to the requested resource is not authorized|not authorized to perform|insufficient_scope/,
  ),
);
