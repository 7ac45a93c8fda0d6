import { azureRules, lateRules } from './azure-rules.ts';
import { containerRules } from './container-rules.ts';
import { registryRules } from './registry-rules.ts';
import type { Rule } from './rule.ts';

/**
 * The one table, for what is found at once and for what Azure reports later; the first that fits counts. What is certain
 * by its code comes first, then the texts; what only tells that it took too long, or that it went wrong, comes last.
 */
export const rules: readonly Rule[] = [...azureRules, ...containerRules, ...registryRules, ...lateRules];
