import { command, element, shortened } from './element.js';
import { base } from './session.js';

/** `ArmThrottled` as one says it. */
export const words = text => text.replace(/([a-z])([A-Z])/g, (_all, a, b) => `${a} ${b.toLowerCase()}`);

const owners = {
  caller: 'Yours to fix',
  registryOwner: 'For who owns the registry',
  platform: 'For who runs the platform',
};

/** Why it failed, what of it runs, who must act, and what to do. */
export function failureParts({ failure, retrying, left }) {
  const { title, detail, causes = [], evidence, fixes } = failure;
  return [
    element('h2', {}, title),
    element('p', { class: 'detail' }, shortened(detail)),
    left ? element('p', {}, leftWords(left)) : null,
    element('p', { class: 'quiet small' }, summaryOf(failure, retrying)),
    causes.length > 0 ? element('h3', {}, causes.length > 1 ? 'Why: one of these' : 'Why') : null,
    causes.length > 0 ? element('ul', { class: 'causes' }, causes.map(plain)) : null,
    fixes.length > 0 ? element('h3', {}, fixes.length > 1 ? 'What to do: one of these' : 'What to do') : null,
    element('ol', { class: 'fixes' }, fixes.map(fixOf)),
    left ? element('h3', {}, 'Then deploy it again') : null,
    left ? command(againWith(left)) : null,
    element(
      'details',
      {},
      element('summary', {}, 'What was seen'),
      element('ul', { class: 'evidence mono small' }, evidence.map(evidenceWords).map(plain)),
    ),
    codeLine(failure),
  ].filter(Boolean);
}

function leftWords({ revision, liveRevision }) {
  if (liveRevision === null) return 'Nothing of it runs: Azure has no container group of it.';
  return liveRevision === revision
    ? 'What failed is what Azure has: it may start again, and is paid for.'
    : `Revision ${liveRevision} is live, as before.`;
}

/** What has a container group is deployed anew in its place; else what was asked for is asked for again. */
function againWith({ id, liveRevision }) {
  const curl = 'curl -sS -H "Authorization: Bearer $TOKEN"';
  const deployments = `${location.origin}${base}/deployments`;
  return liveRevision === null
    ? `${curl} ${deployments}/${id} | jq .spec | ${curl} --json @- ${deployments}`
    : `${curl} -X POST ${deployments}/${id}/redeploy`;
}

const plain = text => element('li', {}, text);

const summaryOf = ({ owner, retryable, confidence, stage }, retrying) =>
  [
    retrying ? 'Slipway tries again by itself' : null,
    owners[owner] ?? owner,
    retryable ? 'a retry can help' : 'a retry alone does not help',
    confidence === 'low' ? 'more than one cause is possible' : null,
    stage ? `found while ${words(stage).toLowerCase()}` : null,
  ]
    .filter(Boolean)
    .join(' · ');

const codeLine = ({ code, target }) =>
  element(
    'p',
    { class: 'small quiet' },
    element('a', { href: `docs/errors/${encodeURIComponent(code)}` }, code),
    target ? ` at ${target}` : '',
  );

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
