/** The token lives here, in this page's memory, and nowhere else: a reload forgets it. */
let token = null;

export const base = location.pathname.replace(/\/console\/?$/, '');

/** What the API answered instead of what was asked for: its problem document. */
export class Problem extends Error {
  constructor(status, document) {
    super(document?.detail ?? `The service answered ${status}.`);
    this.status = status;
    this.title = document?.title ?? 'That did not work';
    this.code = document?.code ?? null;
  }
}

/** Says who the token speaks for, and keeps it if it speaks for anybody. */
export async function signIn(text) {
  const given = text.trim().replace(/^Bearer\s+/i, '');
  if (!/^[\w-]+\.[\w-]+\.[\w-]+$/.test(given))
    throw new Problem(401, {
      title: 'That is no token',
      detail: 'A token has three parts with dots between them.',
    });
  token = given;
  try {
    return await read('/me');
  } catch (error) {
    token = null;
    throw error;
  }
}

export function signOut() {
  token = null;
}

export const isSignedIn = () => token !== null;

async function ask(path, { headers = {}, signal } = {}) {
  const answer = await fetch(`${base}${path}`, {
    headers: { authorization: `Bearer ${token}`, ...headers },
    // No cookie goes along, nothing is kept on disk, and a redirect is not followed.
    credentials: 'omit',
    cache: 'no-store',
    redirect: 'error',
    referrerPolicy: 'no-referrer',
    signal,
  });
  if (answer.status < 400) return answer;
  throw new Problem(answer.status, await answer.json().catch(() => null));
}

export async function read(path, options) {
  const answer = await ask(path, options);
  return answer.json();
}

const pauseMs = 2_000;
const pause = (ms, signal) =>
  new Promise(resolve => {
    const timer = setTimeout(resolve, ms);
    const stop = () => {
      clearTimeout(timer);
      resolve();
    };
    signal.addEventListener('abort', stop, { once: true });
  });

/**
 * Follows a stream of server-sent events by fetch, since EventSource could send the token only in the address. Comes back
 * after the last message when the connection breaks; resolves at the stream's own end.
 */
export async function follow(path, { signal, onMessage, onState = () => {} }) {
  let last = null;
  while (!signal.aborted && token !== null) {
    try {
      const headers = { accept: 'text/event-stream', ...(last === null ? {} : { 'last-event-id': last }) };
      const answer = await ask(path, { headers, signal });
      if (answer.status === 204) return;
      onState('live');
      for await (const message of messagesOf(answer.body)) {
        if (message.id !== null) last = message.id;
        if (message.event === 'end') return;
        if (message.event === 'expired') throw new Problem(401, { detail: 'The token has expired.' });
        if (message.event !== 'shutdown' && message.data !== '')
          onMessage(message.event, JSON.parse(message.data));
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Problem && error.status < 500 && error.status !== 429) throw error;
    }
    onState('waiting');
    await pause(pauseMs, signal);
  }
}

async function* messagesOf(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const blocks = (rest + value).split('\n\n');
      rest = blocks.pop() ?? '';
      for (const block of blocks) yield messageOf(block);
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function messageOf(block) {
  const message = { id: null, event: 'message', data: '' };
  for (const line of block.split('\n')) {
    const [, name, value] = /^(id|event|data): ?(.*)$/.exec(line) ?? [];
    if (name) message[name] = value;
  }
  return message;
}
