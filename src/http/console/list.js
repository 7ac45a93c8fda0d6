import { ago, badge, element } from './element.js';
import { repeat } from './repeat.js';
import { follow, read } from './session.js';

const statuses = [
  ...['Accepted', 'Resolving', 'Submitting', 'Provisioning', 'Running', 'Succeeded', 'Failed', 'Canceled'],
  ...['Stopping', 'Stopped', 'Starting', 'Restarting', 'Deleting', 'Deleted'],
];
/** Ages grow also where nothing happens. */
const everyMs = 30_000;

/** The filter that was just set: it keeps the focus when the list is made anew. */
let lastFilter = null;

/** The deployments of the caller's teams, newest first, as the filters in the address have them. */
export function showList(main, { me, query, signal, onProblem }) {
  const filters = new URLSearchParams(query);
  const rows = element('ol', { class: 'rows', 'aria-label': 'Deployments' });
  const note = element('p', { class: 'quiet' }, 'Looking …');
  const more = element('button', { type: 'button', class: 'plain', hidden: true }, 'Show older ones');
  main.replaceChildren(
    element('h1', {}, 'Deployments'),
    filterForm(me, filters),
    note,
    rows,
    element('p', {}, more),
  );
  if (lastFilter) main.querySelector(`[name="${lastFilter}"]`).focus();
  lastFilter = null;

  let older = [];
  let nextLink = null;
  const draw = newest => {
    const known = new Set(newest.map(({ id }) => id));
    const all = [...newest, ...older.filter(({ id }) => !known.has(id))];
    redraw(rows, all);
    note.textContent = all.length > 0 ? '' : emptyWords(filters);
    note.hidden = all.length > 0;
  };
  let newest = [];
  const refresh = async () => {
    const page = await read(`/deployments?${parameters(filters)}`, { signal });
    newest = page.value;
    if (older.length === 0) nextLink = page.nextLink ?? null;
    more.hidden = nextLink === null;
    draw(newest);
    return everyMs;
  };
  more.addEventListener('click', async () => {
    try {
      const page = await read(nextLink, { signal });
      older = [...older, ...page.value];
      nextLink = page.nextLink ?? null;
      more.hidden = nextLink === null;
      draw(newest);
    } catch (error) {
      if (!signal.aborted) onProblem(error);
    }
  });
  const look = repeat(refresh, { signal, onProblem });
  const team = filters.get('team');
  // Also when the connection is there again, or is lost: the look says what that means.
  follow(`/events?${new URLSearchParams({ ...(team ? { team } : {}), tail: '0' })}`, {
    signal,
    onMessage: look,
    onState: look,
  }).catch(onProblem);
}

function parameters(filters) {
  const asked = new URLSearchParams({ maxpagesize: '50' });
  for (const name of ['team', 'status', 'name']) if (filters.get(name)) asked.set(name, filters.get(name));
  return asked;
}

const emptyWords = filters =>
  [...filters].length > 0
    ? 'No deployment is like that.'
    : 'There are no deployments yet. The first POST /deployments shows here.';

function filterForm(me, filters) {
  const choice = (name, label, options) =>
    element(
      'label',
      {},
      element('span', {}, label),
      element(
        'select',
        { name },
        element('option', { value: '' }, 'any'),
        options.map(value => element('option', { value, selected: filters.get(name) === value }, value)),
      ),
    );
  const form = element(
    'form',
    { class: 'filters', role: 'search' },
    choice('status', 'Status', statuses),
    me.teams.length > 1 &&
      choice(
        'team',
        'Team',
        me.teams.map(({ team }) => team),
      ),
    element(
      'label',
      {},
      element('span', {}, 'Name'),
      element('input', {
        name: 'name',
        type: 'search',
        autocomplete: 'off',
        spellcheck: 'false',
        value: filters.get('name') ?? '',
        placeholder: 'the whole name',
      }),
    ),
  );
  const apply = () => {
    const chosen = new URLSearchParams([...new FormData(form)].filter(([, value]) => value !== ''));
    location.hash = chosen.size > 0 ? `#/?${chosen}` : '#/';
  };
  form.addEventListener('change', event => {
    lastFilter = event.target.name;
    apply();
  });
  form.addEventListener('submit', event => {
    event.preventDefault();
    apply();
  });
  return form;
}

/** Only what changed is made anew: focus and selection stay where they are. */
function redraw(rows, deployments) {
  const present = new Map([...rows.children].map(row => [row.dataset.id, row]));
  const wanted = deployments.map(deployment => {
    const version = JSON.stringify([
      deployment.status,
      deployment.revision,
      deployment.health,
      deployment.failure?.code,
    ]);
    const row = present.get(deployment.id);
    if (row?.dataset.version === version) {
      row.querySelector('.age').textContent = ago(deployment.createdAt);
      return row;
    }
    return rowOf(deployment, version);
  });
  if (wanted.length !== rows.children.length || wanted.some((row, n) => rows.children[n] !== row)) {
    const focused = document.activeElement?.closest('[data-id]')?.dataset.id;
    rows.replaceChildren(...wanted);
    if (focused) rows.querySelector(`[data-id="${CSS.escape(focused)}"] a`)?.focus();
  }
}

function rowOf(deployment, version) {
  const { id, name, team, target, status, health, failure, createdAt, images, spec } = deployment;
  const asked =
    images.length > 0 ? images.map(({ requested }) => requested) : spec.containers.map(({ image }) => image);
  const [image, ...others] = asked;
  return element(
    'li',
    { data: { id, version } },
    element(
      'a',
      { class: 'row', href: `#/deployments/${id}` },
      element('span', { class: 'name' }, name),
      badge(status),
      element('span', { class: 'age quiet' }, ago(createdAt)),
      element('span', { class: 'image quiet mono' }, image, others.length > 0 ? ` +${others.length}` : ''),
      element('span', { class: 'place quiet' }, team === target ? team : `${team} · ${target}`),
      failure ? element('span', { class: 'why' }, failure.title) : null,
      !failure && ['Degraded', 'Missing'].includes(health) ? element('span', { class: 'why' }, health) : null,
    ),
  );
}
