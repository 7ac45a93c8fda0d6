import type { FailureCode } from '../failures.ts';
import type { Failure } from '../schemas/failure.ts';
import { type Advice, advise } from './explanations/advice.ts';
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

/** What a code says of itself, without a deployment: placeholders stand for its names. */
export function describeCode(code: FailureCode): Advice {
  const context: ExplainContext = {
    group: 'GROUP',
    resourceGroup: 'RESOURCE_GROUP',
    image: 'registry.example/repository:tag',
    credential: {
      kind: 'secret',
      vault: 'VAULT',
      secretName: 'SECRET',
      username: 'USERNAME',
      server: 'registry.example',
    },
  };
  return advise(code, readSigns({ kind: 'text', text: '' }, context), context);
}
