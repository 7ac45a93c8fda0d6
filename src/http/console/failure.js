import { command, element } from './element.js';

/** `ArmThrottled` as one says it. */
export const words = text => text.replace(/([a-z])([A-Z])/g, (_all, a, b) => `${a} ${b.toLowerCase()}`);

const owners = {
  caller: 'Yours to fix',
  registryOwner: 'For who owns the registry',
  platform: 'For who runs the platform',
};

/** Why it failed, who must act, and what to do. */
export function failureParts({ failure, settled }) {
  const {
    code,
    title,
    detail,
    owner,
    retryable,
    confidence,
    stage,
    causes = [],
    evidence,
    fixes,
    target,
  } = failure;
  const facts = [
    owners[owner] ?? owner,
    retryable ? 'a retry can help' : 'a retry alone does not help',
    confidence === 'low' ? 'more than one cause is possible' : null,
    stage ? `found while ${words(stage).toLowerCase()}` : null,
  ];
  return [
    element('h2', {}, title),
    element('p', { class: 'detail' }, detail),
    element(
      'p',
      { class: 'quiet small' },
      settled ? '' : 'Slipway tries again by itself. ',
      facts.filter(Boolean).join(' · '),
    ),
    causes.length > 0
      ? element(
          'ul',
          { class: 'causes' },
          causes.map(cause => element('li', {}, cause)),
        )
      : null,
    fixes.length > 0 ? element('h3', {}, fixes.length > 1 ? 'What to do: one of these' : 'What to do') : null,
    element('ol', { class: 'fixes' }, fixes.map(fixOf)),
    element(
      'details',
      {},
      element('summary', {}, 'What was seen'),
      element(
        'ul',
        { class: 'evidence mono small' },
        evidence.map(seen => element('li', {}, evidenceWords(seen))),
      ),
      element(
        'p',
        { class: 'small quiet' },
        'Code ',
        element('a', { href: `docs/errors/${encodeURIComponent(code)}` }, code),
        target ? ` at ${target}` : '',
      ),
    ),
  ].filter(Boolean);
}

function fixOf({ who, action, command: text }) {
  return element(
    'li',
    {},
    element(
      'p',
      {},
      action,
      who === 'caller' ? null : element('span', { class: 'quiet' }, ` (${owners[who] ?? who})`),
    ),
    text ? command(text) : null,
  );
}

const evidenceWords = ({ step, host, status, registryCode, code, message }) =>
  [step, host, status, registryCode, code, message].filter(part => part !== undefined).join(' ');
