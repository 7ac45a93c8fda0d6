import { type FailureCode, failureKinds } from '../failures.ts';
import { parseReference } from '../registry/reference.ts';
import type { Fix } from '../schemas/failure.ts';
import { general, type Names, words } from './advice-words.ts';
import type { ExplainContext, Signs } from './observation.ts';

/** The words of an explanation: what happened, what it may come from where that is not certain, and what to do. */
export interface Advice {
  detail: string;
  causes: string[];
  fixes: Fix[];
}

export function advise(code: FailureCode, signs: Signs, context: ExplainContext): Advice {
  const names = namesOf(signs, context);
  const [detail, fixes, causes = []] = (words[code] ?? general)(names, signs);
  return {
    detail: detail || `${failureKinds[code].title}.`,
    causes: causes.length > 0 ? causes : [failureKinds[code].title],
    fixes:
      fixes.length > 0
        ? fixes
        : [
            {
              who: failureKinds[code].owner,
              action: 'Look at the evidence and at the events of the deployment',
            },
          ],
  };
}

function namesOf(
  { text }: Signs,
  { image = 'the image', group = 'the group', resourceGroup = 'RESOURCE_GROUP', credential }: ExplainContext,
): Names {
  const parsed = parseReference(image);
  const registry = parsed.ok
    ? parsed.reference.domain
    : credential && 'server' in credential
      ? credential.server
      : 'the registry';
  const secret = credential?.kind === 'secret' ? credential : null;
  const identity = credential?.kind === 'identity' ? credential.id : null;
  const version = secret?.secretVersion ? ` (version ${secret.secretVersion.slice(0, 8)})` : '';
  return {
    image,
    registry,
    repository: parsed.ok ? parsed.reference.path : 'REPOSITORY',
    acr: /^([a-z0-9-]+)\.azurecr\./i.exec(registry)?.[1] ?? null,
    group,
    resourceGroup,
    secret,
    identity,
    by: secret
      ? `secret '${secret.secretName}'${version}`
      : identity
        ? `identity '${identity.split('/').at(-1)}'`
        : 'no credential',
    said: text.replaceAll(/\s+/g, ' ').trim().slice(0, 300),
  };
}
