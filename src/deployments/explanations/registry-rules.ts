import { reachRules } from './registry-reach-rules.ts';
import { signInRules } from './registry-sign-in-rules.ts';
import { registryStatus } from './registry-signs.ts';
import { all, any, from, not, type Rule, says } from './rule.ts';

/** Resource Manager misses things of its own. */
const aboutImage = any(not(from('arm')), says(/\bimages?\b|\bpull|manifest|repositor/i));

const answers: readonly Rule[] = [
  {
    code: 'ImageNotFound',
    when: any(
      says(/manifest unknown|MANIFEST_UNKNOWN|name unknown|NAME_UNKNOWN|not known to registry/),
      all(aboutImage, says(/not found/i)),
      registryStatus(404, 410),
    ),
  },
  {
    code: 'RegistryUnavailable',
    when: any(
      says(
        /\b5\d\d\b \(?(?:Internal|Bad Gateway|Service|Gateway)|unexpected (?:HTTP )?status(?: code)?:? 5/i,
      ),
      registryStatus(408, 425),
      all(from('registry'), ({ status: seen = 0 }) => seen >= 500),
    ),
  },
];

/** Registries, found by us or told by ACI: one set of rules for both. */
export const registryRules: readonly Rule[] = [...reachRules, ...signInRules, ...answers].map(rule => ({
  ...rule,
  when: all(not(from('container', 'vault')), rule.when),
}));
