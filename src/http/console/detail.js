import { ago, badge, duration, element, kindOf, say, shortened } from './element.js';
import { addEvent } from './events.js';
import { factParts, factsOf } from './facts.js';
import { failureParts, words } from './failure.js';
import { showLogs } from './logs.js';
import { repeat } from './repeat.js';
import { follow, read } from './session.js';

/** Its events say what is new; these are for what has none. */
const unsettledMs = 3_000;
const settledMs = 15_000;

/** One deployment, followed for as long as somebody looks. */
export function showDeployment(main, { id, signal, onProblem }) {
  const place = name => element('section', { class: name });
  const parts = {
    head: place('head'),
    notices: place('notices'),
    failure: place('failure'),
    timeline: place('timeline'),
    containers: place('containers'),
    facts: place('facts'),
  };
  const events = element('ol', { class: 'events', tabindex: '0', 'aria-label': 'Events' });
  const state = element('span', { class: 'quiet small' });
  const logs = element('section', { class: 'logs' });
  main.replaceChildren(
    element('p', {}, element('a', { href: '#/', class: 'back' }, '← Deployments')),
    parts.head,
    parts.notices,
    parts.failure,
    element(
      'div',
      { class: 'columns' },
      element(
        'div',
        {},
        parts.timeline,
        element('section', {}, element('h2', {}, 'Events ', state), events),
        parts.containers,
        logs,
      ),
      parts.facts,
    ),
  );

  let status = null;
  const drawn = {};
  const draw = (name, data, make) => {
    const version = JSON.stringify(data);
    if (drawn[name] === version) return;
    drawn[name] = version;
    const made = data === null ? [] : make(data);
    parts[name].replaceChildren(...made);
    parts[name].hidden = made.length === 0;
  };
  const look = async () => {
    const deployment = await read(`/deployments/${id}`, { signal });
    if (signal.aborted) return settledMs;
    const { waitingFor, conditions = [], failure, timeline, settled } = deployment;
    draw('head', headOf(deployment), headParts);
    draw('notices', { waitingFor, conditions }, noticeParts);
    draw('failure', failure && failureOf(deployment), failureParts);
    draw('timeline', { timeline, settled }, timelineParts);
    draw('containers', containersOf(deployment), list => containerParts(list, name => logViewer.show(name)));
    draw('facts', factsOf(deployment), factParts);
    if (status !== null && status !== deployment.status) say(`${deployment.name} is ${deployment.status}`);
    status = deployment.status;
    document.title = `${deployment.name} · ${deployment.status} · Slipway`;
    return settled ? settledMs : unsettledMs;
  };
  const logViewer = showLogs(logs, { id, signal, onProblem });

  const lookSoon = repeat(look, { signal, onProblem });
  follow(`/deployments/${id}/events?follow=true`, {
    signal,
    onState: word => {
      state.textContent = word === 'live' ? '' : 'connection lost, coming back …';
    },
    onMessage: (_event, event) => {
      addEvent(events, event);
      lookSoon();
    },
  }).catch(error => {
    state.textContent = error.message;
    if (error.status === 401) onProblem(error);
  });
  const ticking = setInterval(() => tick(parts.timeline), 500);
  signal.addEventListener('abort', () => clearInterval(ticking));
}

const failureOf = ({ id, failure, settled, waitingFor, revision, liveRevision }) => ({
  failure,
  retrying: !settled && waitingFor !== null,
  left: settled ? { id, revision, liveRevision } : null,
});

const headOf = ({ name, status, health, settled, liveRevision, team, target, containerGroup, spec }) => ({
  name,
  status,
  health: settled && liveRevision !== null && health !== 'Unknown' ? health : null,
  where: [team, target, spec.location].filter((word, n, all) => word && all.indexOf(word) === n).join(' · '),
  address: containerGroup?.ipAddress?.fqdn ?? containerGroup?.ipAddress?.ip ?? null,
});

function headParts({ name, status, health, where, address }) {
  return [
    element('h1', {}, name),
    element(
      'p',
      { class: 'states' },
      badge(status),
      health && health !== status ? badge(health) : null,
      element('span', { class: 'quiet' }, where),
      address ? element('code', {}, address) : null,
    ),
  ];
}

/** Why nothing moves, and what somebody should know of what is live. */
function noticeParts({ waitingFor, conditions }) {
  return [
    ...(waitingFor ? [waitingNotice(waitingFor)] : []),
    ...conditions.map(({ type, message }) =>
      element('p', { class: 'notice' }, element('strong', {}, words(type)), ` ${shortened(message)}`),
    ),
  ];
}

function waitingNotice({ reason, since, until }) {
  const clock = text => new Date(text).toLocaleTimeString();
  return element(
    'p',
    { class: 'notice' },
    element('strong', {}, words(reason)),
    ` since ${clock(since)}${until ? `; tried again at ${clock(until)}` : ''}`,
  );
}

function timelineParts({ timeline, settled }) {
  return [
    element('h2', {}, 'Timeline'),
    element(
      'ol',
      { class: 'phases' },
      timeline.map(({ phase, startedAt, durationMs }, n) => {
        const goesOn = durationMs === null && n === timeline.length - 1;
        return element(
          'li',
          {
            data: {
              kind: goesOn ? (settled ? kindOf(phase) : 'busy') : 'past',
              current: goesOn ? '' : undefined,
            },
          },
          element('span', { class: 'phase' }, phase),
          element(
            'span',
            { class: 'quiet small took', data: goesOn ? { since: startedAt } : {} },
            durationMs === null ? ago(startedAt) : duration(durationMs),
          ),
        );
      }),
    ),
  ];
}

function tick(timeline) {
  for (const took of timeline.querySelectorAll('[data-since]')) {
    const ms = Math.max(0, Date.now() - Date.parse(took.dataset.since));
    took.textContent =
      took.parentElement.dataset.kind === 'busy' ? `${duration(ms)} …` : ago(took.dataset.since);
  }
}

const containersOf = ({ containerGroup, images, spec }) =>
  [...(spec.initContainers ?? []), ...spec.containers].map((asked, n) => {
    const name = asked.name ?? spec.name;
    const image = images.find(({ container }) => container === name) ?? images[n];
    const live = containerGroup?.containers.find(container => container.name === name) ?? null;
    return { name, image: image?.requested ?? asked.image, digest: image?.digest ?? null, live };
  });

function containerParts(containers, onLogs) {
  return [
    element('h2', {}, 'Containers'),
    element(
      'ul',
      { class: 'plainlist' },
      containers.map(({ name, image, digest, live }) =>
        element(
          'li',
          { class: 'container' },
          element('span', { class: 'name' }, name),
          element('span', { class: 'quiet' }, live ? liveWords(live) : 'not created'),
          element(
            'button',
            {
              type: 'button',
              class: 'plain',
              'aria-label': `Logs of ${name}`,
              on: { click: () => onLogs(name) },
            },
            'Logs',
          ),
          element('span', { class: 'mono small quiet wide' }, image, digest ? `\n${digest}` : ''),
        ),
      ),
    ),
  ];
}

const liveWords = ({ state, restartCount, exitCode, detailStatus }) =>
  [
    state ?? 'not started',
    detailStatus && detailStatus !== state ? detailStatus : null,
    exitCode === null ? null : `exit code ${exitCode}`,
    restartCount > 0 ? `restarted ${restartCount} times` : null,
  ]
    .filter(Boolean)
    .join(', ');
