import { showDeployment } from './detail.js';
import { element, say } from './element.js';
import { showList } from './list.js';
import { isSignedIn, signIn, signOut } from './session.js';

const main = document.getElementById('main');
const who = document.getElementById('who');
const leave = document.getElementById('leave');

let me = null;
let showing = new AbortController();

/** Shows what the address says. What was shown before stops asking. */
function show() {
  showing.abort();
  showing = new AbortController();
  document.title = 'Slipway';
  if (!isSignedIn()) return showSignIn();
  const { signal } = showing;
  const view = element('div', { class: 'view' });
  const trouble = element('p', { class: 'notice', role: 'alert', hidden: true });
  main.replaceChildren(trouble, view);
  const onProblem = problem => {
    if (problem?.status === 401) return end(problem.message);
    trouble.hidden = problem === null;
    trouble.textContent =
      problem === null
        ? ''
        : problem.status
          ? problem.message
          : 'The service does not answer; it is asked again.';
  };
  const [, id] = /^#\/deployments\/([0-9a-f-]{36})$/.exec(location.hash) ?? [];
  if (id) showDeployment(view, { id, signal, onProblem });
  else showList(view, { me, query: location.hash.split('?')[1] ?? '', signal, onProblem });
}

function end(why) {
  signOut();
  me = null;
  who.textContent = '';
  leave.hidden = true;
  showing.abort();
  showSignIn(why);
}

function showSignIn(why = '') {
  const field = element('textarea', {
    id: 'token',
    rows: '4',
    autocomplete: 'off',
    autocapitalize: 'off',
    spellcheck: 'false',
    required: true,
    placeholder: 'eyJ…',
  });
  const wrong = element('p', { class: 'wrong', role: 'alert' }, why);
  const form = element(
    'form',
    { class: 'sign-in' },
    element('h1', {}, 'Sign in'),
    element('label', { for: 'token' }, 'Paste an access token for Slipway'),
    field,
    wrong,
    element('button', { type: 'submit' }, 'Sign in'),
    element(
      'p',
      { class: 'quiet small' },
      'It stays in the memory of this page: a reload or ',
      element('em', {}, 'Sign out'),
      ' forgets it. On the embedded Azure ',
      element('code', {}, 'npm run -s token'),
      ' prints one.',
    ),
  );
  form.addEventListener('submit', async event => {
    event.preventDefault();
    const text = field.value;
    field.value = '';
    try {
      me = await signIn(text);
    } catch (problem) {
      wrong.textContent = problem.status ? problem.message : 'The service does not answer.';
      field.focus();
      return;
    }
    const { principal, teams, operator } = me;
    const name = principal.name ?? principal.client ?? principal.subject;
    who.textContent = `${name} · ${operator ? 'operator' : teams.map(({ team }) => team).join(', ')}`;
    leave.hidden = false;
    say(`Signed in as ${name}`);
    show();
  });
  main.replaceChildren(form);
  field.focus();
}

leave.addEventListener('click', () => end(''));
addEventListener('hashchange', () => {
  show();
  scrollTo(0, 0);
  // Who reads by ear or by keyboard begins at the new page too.
  if (document.activeElement === document.body) main.focus({ preventScroll: true });
});
show();
