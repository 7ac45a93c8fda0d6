import { Policy } from './policy.ts';

/** The JSON Schema of a policy file, for editors and for other people's tools. */
export function policySchema(): object {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Slipway policy',
    description: 'Who may use what. `slipway policy check` says more than a schema can.',
    ...Policy,
  };
}
