/**
 * Makes an element. Text is set as text, never parsed; of attributes only those that are named here can be set, so that
 * nothing an answer says becomes code or an address.
 */
export function element(name, options = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(options)) {
    if (value === undefined || value === null || value === false) continue;
    if (key === 'on') for (const [event, act] of Object.entries(value)) made.addEventListener(event, act);
    else if (key === 'class') made.className = value;
    else if (key === 'data') setData(made, value);
    else if (key === 'href') made.setAttribute('href', ownAddress(value));
    else if (allowed.has(key) || key.startsWith('aria-'))
      made.setAttribute(key, value === true ? '' : String(value));
    else throw new Error(`an element takes no ${key} here`);
  }
  made.append(...children.flat(2).filter(child => child !== null && child !== undefined && child !== false));
  return made;
}

function setData(made, data) {
  for (const [key, value] of Object.entries(data)) if (value !== undefined) made.dataset[key] = value;
}

const allowed = new Set([
  ...[
    'id',
    'type',
    'name',
    'value',
    'for',
    'placeholder',
    'autocomplete',
    'spellcheck',
    'rows',
    'role',
    'title',
    'tabindex',
  ],
  ...[
    'datetime',
    'selected',
    'disabled',
    'hidden',
    'required',
    'open',
    'rel',
    'target',
    'scope',
    'autocapitalize',
  ],
]);

/** A place in this page or a page beside it, and nothing else. */
function ownAddress(text) {
  if (!/^(?:#\/|docs(?:\/|$))/.test(text)) throw new Error('only own addresses are linked to');
  return text;
}

export function clockTime(text) {
  const at = new Date(text);
  return element(
    'time',
    { datetime: at.toISOString(), title: at.toISOString() },
    at.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false }),
  );
}

const steps = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'min'],
];

export function duration(ms) {
  const [size, unit] = steps.find(([step]) => ms >= step) ?? [];
  if (size) return `${Math.floor(ms / size)} ${unit}`;
  return ms >= 10_000
    ? `${Math.round(ms / 1000)} s`
    : ms >= 1_000
      ? `${(ms / 1000).toFixed(1)} s`
      : `${Math.round(ms)} ms`;
}

export const ago = text => `${duration(Math.max(0, Date.now() - Date.parse(text)))} ago`;

/** A status in words and by a mark, so that it does not hang on colour. */
export function badge(status) {
  const kind = kindOf(status);
  return element(
    'span',
    { class: 'badge', data: { kind } },
    element('span', { class: 'mark-of', 'aria-hidden': 'true' }, marks[kind]),
    status,
  );
}

const marks = { good: '●', bad: '✕', busy: '◌', still: '○' };

export function kindOf(status) {
  if (['Running', 'Succeeded', 'Healthy'].includes(status)) return 'good';
  if (['Failed', 'Degraded', 'Missing'].includes(status)) return 'bad';
  return ['Canceled', 'Deleted', 'Stopped', 'Unknown'].includes(status) ? 'still' : 'busy';
}

/** A command to paste, and a button that copies it. */
export function command(text) {
  const button = element('button', { type: 'button', class: 'copy' }, 'Copy');
  button.addEventListener('click', async () => {
    const copied = await navigator.clipboard.writeText(text).then(
      () => true,
      () => selectText(code),
    );
    button.textContent = copied === true ? 'Copied' : 'Press Ctrl+C';
    say(copied === true ? 'Copied to the clipboard' : 'Selected; press Ctrl+C');
    setTimeout(() => {
      button.textContent = 'Copy';
    }, 2_000);
  });
  const code = element('code', { tabindex: '0' }, text);
  return element('div', { class: 'command' }, code, button);
}

function selectText(node) {
  getSelection().selectAllChildren(node);
  return false;
}

/** Said to who does not see the page. */
export function say(text) {
  document.getElementById('said').textContent = text;
}

/** A text with its digests cut short: as much of them as one compares by eye. */
export const shortened = text => text.replace(/sha256:([0-9a-f]{12})[0-9a-f]{52}/g, 'sha256:$1…');
