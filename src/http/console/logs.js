import { clockTime, element } from './element.js';
import { follow } from './session.js';

const mostLines = 2_000;

/** The last lines of a container, and those that come. Nothing is asked before somebody wants to see it. */
export function showLogs(section, { id, signal, onProblem }) {
  section.hidden = true;
  let reading = null;
  signal.addEventListener('abort', () => reading?.abort());

  return {
    show(container) {
      reading?.abort();
      reading = new AbortController();
      const lines = element('pre', { class: 'lines', tabindex: '0', 'aria-label': `Logs of ${container}` });
      const state = element('span', { class: 'quiet small' }, 'reading …');
      const close = element('button', { type: 'button', class: 'plain' }, 'Close');
      close.addEventListener('click', () => {
        reading.abort();
        section.hidden = true;
      });
      section.replaceChildren(element('h2', {}, `Logs of ${container} `, state, close), lines);
      section.hidden = false;
      section.scrollIntoView({ block: 'nearest' });
      const path = `/deployments/${id}/containers/${encodeURIComponent(container)}/logs?tail=200&follow=true`;
      follow(path, {
        signal: reading.signal,
        onState: word => {
          state.textContent = word === 'live' ? '' : 'connection lost, coming back …';
        },
        onMessage: (event, { line, at }) => {
          if (event === 'gap') addLine(lines, '… lines are missing here …');
          else addLine(lines, line, at);
        },
      })
        .then(() => {
          state.textContent = 'ended';
        })
        .catch(error => {
          state.textContent = error.message;
          if (error.status === 401) onProblem(error);
        });
    },
  };
}

function addLine(lines, text, at = null) {
  const atEnd = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 40;
  lines.append(
    element('span', {}, at ? element('span', { class: 'quiet' }, clockTime(at), ' ') : null, `${text}\n`),
  );
  while (lines.children.length > mostLines) lines.firstElementChild.remove();
  if (atEnd) lines.scrollTop = lines.scrollHeight;
}
