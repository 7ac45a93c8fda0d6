import { randomUUID } from 'node:crypto';
import { parseArgs, stripVTControlCharacters } from 'node:util';
import type { Event } from '../../client/api.ts';
import { follow } from '../../client/stream.ts';
import { type Command, UsageError } from '../command.ts';
import { exits } from './exits.ts';
import { printable } from './printable.ts';
import { commonOptions, commonUsage, inSession, onePositional, type Session } from './session.ts';
import { pathOf } from './verbs.ts';

export const events: Command = {
  usage: `events DEPLOYMENT [-f] ${commonUsage}`,
  summary: 'What happened to a deployment; -f follows it until it has settled',

  async run(args) {
    const { values, positionals } = parseArgs({
      args,
      options: { ...commonOptions, follow: { type: 'boolean', short: 'f' } },
      allowPositionals: true,
    });
    const id = onePositional(positionals, 'DEPLOYMENT');
    return inSession(values, async session => {
      const say = (event: Event) =>
        console.log(session.output === 'json' ? JSON.stringify(event) : eventLine(event));
      if (!values.follow) for await (const event of session.client.each('listEvents', { id })) say(event);
      else
        for await (const { event, data } of session.client.stream('listEvents', { id }))
          if (event === 'message') say(JSON.parse(data));
      return exits.reached;
    });
  },
};

const eventLine = ({ at, source, container, message }: Event) =>
  `${at}  ${source.padEnd(7)}  ${printable(container ? `${container}: ${message}` : message)}`;

export const logs: Command = {
  usage: `logs DEPLOYMENT [CONTAINER] [-f] [--tail LINES] [--timestamps] ${commonUsage}`,
  summary: 'What a container writes; -f follows it',

  async run(args) {
    const { values, positionals } = parseArgs({
      args,
      options: {
        ...commonOptions,
        follow: { type: 'boolean', short: 'f' },
        tail: { type: 'string' },
        timestamps: { type: 'boolean' },
      },
      allowPositionals: true,
    });
    const [id, container, ...more] = positionals;
    if (id === undefined || more.length > 0)
      throw new UsageError(id === undefined ? 'DEPLOYMENT is missing.' : `'${more[0]}' is one too many.`);
    const query = new URLSearchParams();
    if (values.tail !== undefined) query.set('tail', values.tail);
    if (values.timestamps) query.set('timestamps', 'true');
    if (values.follow) query.set('follow', 'true');
    return inSession(values, async session => {
      const name = container ?? (await onlyContainer(session, id));
      const path = `${pathOf(id)}/containers/${encodeURIComponent(name)}/logs?${query}`;
      await quoted(session, () =>
        values.follow ? followLog(session, path, values.timestamps ?? false) : tellLog(session, path),
      );
      return exits.reached;
    });
  },
};

async function onlyContainer({ client }: Session, id: string): Promise<string> {
  const { body } = await client.getDeployment({ id });
  const names = (body?.spec.containers ?? []).flatMap(({ name }) => name ?? []);
  if (names.length === 1 && names[0]) return names[0];
  throw new UsageError(`Say which CONTAINER: ${names.join(', ')}.`);
}

/** What a container writes is no command to the runner that shows it. */
async function quoted({ env, output }: Session, tell: () => Promise<void>): Promise<void> {
  if (env.GITHUB_ACTIONS !== 'true' || output === 'json') return tell();
  const end = randomUUID();
  console.log(`::stop-commands::${end}`);
  try {
    await tell();
  } finally {
    console.log(`::${end}::`);
  }
}

async function tellLog({ connection, output }: Session, path: string): Promise<void> {
  const accept = output === 'json' ? 'application/x-ndjson' : 'text/plain';
  const { body } = await connection.send({ method: 'GET', path, accept });
  write(String(body ?? ''));
}

async function followLog({ connection, output }: Session, path: string, timestamps: boolean): Promise<void> {
  for await (const { event, data } of follow(connection, { method: 'GET', path })) {
    if (event === 'gap') console.error('Lines are missing here: Azure had no more of them.');
    else if (output === 'json') console.log(data);
    else {
      const { at, line } = JSON.parse(data) as { at?: string; line: string };
      write(`${timestamps && at ? `${at} ` : ''}${line}\n`);
    }
  }
}

/** As it was written, but for what would act on a terminal. */
function write(text: string): void {
  process.stdout.write(process.stdout.isTTY ? stripVTControlCharacters(text) : text);
}
