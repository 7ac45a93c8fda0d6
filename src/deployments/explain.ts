import type { Failure } from '../schemas/failure.ts';
import { advise } from './explanations/advice.ts';
import { rules } from './explanations/rules.ts';
import { failure } from './failure.ts';
import { type ExplainContext, evidenceOf, type Observation, readSigns } from './observation.ts';

export type { CredentialContext, ExplainContext, Observation } from './observation.ts';

/** Says why, and what to do: the first rule that fits. Pure. */
export function explain(observation: Observation, context: ExplainContext): Failure {
  const signs = readSigns(observation, context);
  const { code, but } = rules.find(({ when }) => when(signs)) ?? { code: 'Unknown' as const, but: undefined };
  const { detail, causes, fixes } = advise(code, signs, context);
  const found = failure(code, detail, {
    evidence: [evidenceOf(observation)],
    fixes,
    ...(context.stage !== undefined ? { stage: context.stage } : {}),
    ...(context.target !== undefined ? { target: context.target } : {}),
  });
  const explained = { ...found, ...but };
  return explained.confidence === 'low' ? { ...explained, causes } : explained;
}
