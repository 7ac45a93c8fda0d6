import type { ContainerGroupState, ContainerGroups } from '../azure/container-groups.ts';
import { AzureError } from '../azure/failure.ts';
import type { Clock } from '../clock.ts';
import { createError, type RequestError } from '../errors.ts';
import type { Caller } from '../schemas/principal.ts';
import type { DeploymentRow, DeploymentStore } from '../store/deployments.ts';
import type { SavedLogs } from '../store/saved-logs.ts';
import { findOrThrow, recordsFor, teamsWith } from './finding.ts';
import { isOurs } from './group-marks.ts';
import { type LogFeed, type LogPlace, startLogFeed } from './log-feed.ts';
import { type Anchor, type LogLine, parseLog } from './log-lines.ts';
import { everyContainer } from './observe.ts';
import { placeOf } from './stages/stage.ts';

interface LogParts {
  store: Pick<DeploymentStore, 'find' | 'load'>;
  savedLogs: Pick<SavedLogs, 'find'>;
  containerGroups: Pick<ContainerGroups, 'get' | 'logs'>;
  clock: Clock;
}

export interface ContainerLog {
  lines: LogLine[];
  /** When the lines were put on record, where the group is no more. */
  savedAt: Date | null;
}

export type Logs = ReturnType<typeof createLogs>;

/** What the containers of a deployment write. Azure keeps it while the group lives; of a failed one the end is on record. */
export function createLogs(parts: LogParts) {
  const { store, savedLogs, containerGroups, clock } = parts;
  return {
    /** Throws `ContainerNotStarted` or `LogsGone` where there is no log, with the reason. */
    async read(
      caller: Caller,
      ref: string,
      container: string,
      { tail, signal }: { tail?: number | undefined; signal: AbortSignal },
    ): Promise<ContainerLog> {
      const row = await find(caller, ref, container);
      const group = await ours(row, signal);
      if (!group) return saved(caller, row, container, tail);
      const options = { ...(tail ? { tail } : {}), timestamps: true, signal };
      const content = await askFor(() =>
        containerGroups.logs(placeOf(row), container, options).catch(nullWhereGone),
      );
      // It went between the two calls: so the record may have moved on too.
      if (content === null) return saved(caller, (await store.load(row.id)) ?? row, container, tail);
      if (content === '') refuseNotStarted(group, container);
      return { lines: lastOf(content, tail), savedAt: null };
    },

    /** The last lines, and those that come, until the container has ended for good. */
    async follow(
      caller: Caller,
      ref: string,
      container: string,
      { tail, after, signal }: { tail?: number | undefined; after: Anchor | null; signal: AbortSignal },
    ): Promise<LogFeed> {
      const row = await find(caller, ref, container);
      const group = await ours(row, signal);
      if (!group) {
        const { lines } = await saved(caller, row, container, tail);
        return startLogFeed({ ...placeFor(row, container), known: lines }, { tail, after, clock });
      }
      return startLogFeed(placeFor(row, container), { tail, after, clock });
    },
  };

  async function find(caller: Caller, ref: string, container: string): Promise<DeploymentRow> {
    const allowed = teamsWith(caller, 'logs');
    const readable = recordsFor(caller);
    const visible = readable === 'all' ? readable : [...new Set([...readable, ...allowed])];
    const { id, team, spec } = await findOrThrow(store, visible, ref);
    if (!allowed.includes(team))
      throw createError('PermissionDenied', `The policy grants 'logs' to this caller not in team '${team}'.`);
    const names = [...(spec.initContainers ?? []), ...spec.containers].map(({ name }) => name ?? '');
    const row = names.includes(container) ? await store.load(id) : null;
    if (row) return row;
    throw createError('NotFound', `The deployment has no such container; it has ${names.join(', ')}.`);
  }

  async function ours(row: DeploymentRow, signal: AbortSignal): Promise<ContainerGroupState | null> {
    const group = await askFor(() => containerGroups.get(placeOf(row), signal));
    return group && isOurs(group, row) ? group : null;
  }

  async function saved(
    caller: Caller,
    row: DeploymentRow,
    container: string,
    tail: number | undefined,
  ): Promise<ContainerLog> {
    const found = await savedLogs.find(teamsWith(caller, 'logs'), row.id, container);
    if (!found) throw gone(row);
    return { lines: lastOf(found.content, tail), savedAt: found.at };
  }

  function placeFor(row: DeploymentRow, container: string): LogPlace {
    return {
      team: row.team,
      async ask(tail, signal) {
        const options = { ...(tail === null ? {} : { tail }), timestamps: true, signal };
        return containerGroups.logs(placeOf(row), container, options);
      },
      async isOver(signal) {
        const group = await ours(row, signal);
        return group ? hasEnded(group, container, row) : 'the container group is gone';
      },
    };
  }
}

const lastOf = (content: string, tail: number | undefined): LogLine[] => {
  const { lines, open } = parseLog(content);
  const all = open ? [...lines, open] : lines;
  if (tail === undefined) return all;
  return tail === 0 ? [] : all.slice(-tail);
};

/** Why no more lines come; null while some may. */
function hasEnded(group: ContainerGroupState, container: string, { spec }: DeploymentRow): string | null {
  const found = everyContainer(group).find(({ name }) => name === container);
  if (found?.state !== 'Terminated' || found.exitCode === undefined) return null;
  const { restartPolicy = 'Always' } = spec;
  const isInit = group.initContainers?.some(({ name }) => name === container) ?? false;
  const starts = restartPolicy === 'Always' || (restartPolicy === 'OnFailure' && found.exitCode !== 0);
  return starts && !(isInit && found.exitCode === 0)
    ? null
    : `the container ended with exit code ${found.exitCode}`;
}

/** An empty log of one that has started is just that. */
function refuseNotStarted(group: ContainerGroupState, container: string): void {
  const found = everyContainer(group).find(({ name }) => name === container);
  if (found?.state === 'Running' || found?.state === 'Terminated' || found?.previousState) return;
  const told = [...(found?.events ?? []), ...group.events].at(-1)?.message;
  const state = found?.detailStatus ?? found?.state ?? 'not made yet';
  throw createError(
    'ContainerNotStarted',
    `Container '${container}' has written nothing: it is ${state}.${told ? ` Azure says: ${told}` : ''}`,
    { headers: { 'retry-after': '5' } },
  );
}

function gone({ status, name, settled }: DeploymentRow): RequestError {
  if (!settled)
    return createError(
      'ContainerNotStarted',
      `Container group '${name}' is not there yet: the deployment is ${status}.`,
      { headers: { 'retry-after': '5' } },
    );
  return createError(
    'LogsGone',
    `Container group '${name}' is gone, and Azure keeps no log without it; the deployment is ${status}. Of a group that Slipway takes away it keeps the last lines.`,
  );
}

function nullWhereGone(error: unknown): null {
  if (error instanceof AzureError && error.code === 'ResourceNotFound') return null;
  throw error;
}

/** What Azure cannot answer now is said so; its own words for it are nobody's business. */
async function askFor<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (!(error instanceof AzureError)) throw error;
    const seconds = Math.ceil((error.retryAfterMs ?? 5_000) / 1000);
    throw createError(
      'AzureUnavailable',
      `Azure does not give the log now: ${error.code ?? error.status ?? 'no answer'}.`,
      {
        headers: { 'retry-after': String(seconds) },
      },
    );
  }
}
