import { clockTime, element, shortened } from './element.js';

const mostEvents = 1_000;

/** Adds one to the list, once, and stays at the end where the reader was there. */
export function addEvent(events, { seq, at, source, type, phase, container, message }) {
  if (events.querySelector(`[data-seq="${Number(seq)}"]`)) return;
  const atEnd = events.scrollHeight - events.scrollTop - events.clientHeight < 40;
  events.append(
    element(
      'li',
      {
        data: {
          seq: String(Number(seq)),
          kind: /fail|error|warning|back-?off/i.test(`${type} ${phase ?? ''}`) ? 'bad' : 'still',
        },
      },
      clockTime(at),
      element(
        'span',
        { class: 'source small quiet' },
        container ?? (source === 'Slipway' ? '' : source.toUpperCase()),
      ),
      element('span', { class: 'message', title: message }, shortened(message)),
    ),
  );
  while (events.children.length > mostEvents) events.firstElementChild.remove();
  if (atEnd) events.scrollTop = events.scrollHeight;
}
