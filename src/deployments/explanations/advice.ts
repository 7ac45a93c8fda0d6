import { type FailureCode, failureKinds } from '../../failures.ts';
import type { Fix } from '../../schemas/failure.ts';
import { fix } from '../failure.ts';
import type { ExplainContext, Signs } from '../observation.ts';
import { azureWords } from './azure-words.ts';
import { containerWords } from './container-words.ts';
import { credentialWords } from './credential-words.ts';
import { type Names, namesOf } from './names.ts';
import { ownWords } from './own-words.ts';
import { registryWords } from './registry-words.ts';

/** The words of an explanation: what happened, what it may come from where that is not certain, and what to do. */
export interface Advice {
  detail: string;
  causes: string[];
  fixes: Fix[];
}

export type Words = Partial<Record<FailureCode, (names: Names, signs: Signs) => Partial<Advice>>>;

const words: Words = { ...registryWords, ...credentialWords, ...azureWords, ...containerWords, ...ownWords };

/** What has no words of its own is told in those of the evidence. */
export function advise(code: FailureCode, signs: Signs, context: ExplainContext): Advice {
  const names = namesOf(signs, context);
  const { title, owner } = failureKinds[code];
  const { detail = names.said, causes = [title], fixes = [] } = words[code]?.(names, signs) ?? {};
  return {
    detail: detail === '' ? `${title}.` : detail,
    causes,
    fixes:
      fixes.length > 0 ? fixes : [fix(owner, 'Look at the evidence and at the events of the deployment')],
  };
}
