import { createLog } from '../src/log.ts';
import { openDatabase } from '../src/store/database.ts';
import { asWorker } from '../src/store/walls.ts';
import { eventually } from '../test/support/demo-world.ts';
import type { Fleet } from './fleet.ts';

/** What a client was told of: the id of everything that was accepted, by its name. */
export type Accepted = Map<string, string>;

export interface Comparison {
  lost: string[];
  duplicated: string[];
  orphaned: string[];
  /** Histories with a gap, and rows that never came to an end. */
  broken: string[];
}

export const faultsOf = ({ lost, duplicated, orphaned, broken }: Comparison) => [
  ...lost.map(name => `${name} is lost`),
  ...duplicated.map(name => `${name} is there twice`),
  ...orphaned.map(name => `${name} is a group without a record, or a record without its group`),
  ...broken.map(name => `the history of ${name} is broken`),
];

/**
 * Three records of one truth: what the client was told, what Azure has, and the rows themselves, read when the service is
 * gone. Everything is to have settled before.
 */
export async function compareRecords(fleet: Fleet, accepted: Accepted): Promise<Comparison> {
  const groups = await groupsOf(fleet);
  await fleet.kill('SIGTERM');
  const { rows, histories } = await readRows(fleet);
  const known = new Map(rows.map(row => [row.id, row]));
  const live = rows.filter(({ liveRevision }) => liveRevision !== null);
  const owners = groups.map(({ deployment }) => deployment);
  const has = (id: string) => owners.includes(id);
  return {
    lost: [...accepted].filter(([, id]) => !known.has(id)).map(([name]) => name),
    duplicated: [
      ...twice(rows.filter(({ holdsName }) => holdsName).map(({ name }) => name)),
      ...twice(owners.map(id => known.get(id)?.name ?? id)),
      ...rows
        .filter(({ id, name }) => accepted.has(name) && accepted.get(name) !== id)
        .map(({ name }) => name),
    ],
    orphaned: [
      ...groups
        .filter(
          ({ deployment }) =>
            known.get(deployment)?.liveRevision === undefined || known.get(deployment)?.liveRevision === null,
        )
        .map(({ name }) => name),
      ...live.filter(({ id }) => !has(id)).map(({ name }) => name),
    ],
    broken: rows
      .filter(({ id, eventSeq, settled }) => !settled || histories.get(id) !== `1-${eventSeq}-${eventSeq}`)
      .map(({ name }) => name),
  };
}

async function readRows({ world, databaseUrl }: Fleet) {
  const log = createLog({ level: 'silent' });
  const database = await openDatabase({
    ...(databaseUrl ? { url: databaseUrl } : { directory: world.data }),
    log,
  });
  try {
    return await asWorker(database.db, async trx => {
      const rows = await trx
        .selectFrom('deployments')
        .select(['id', 'name', 'status', 'settled', 'liveRevision', 'holdsName', 'eventSeq'])
        .execute();
      const told = await trx
        .selectFrom('events')
        .select(({ fn }) => [
          'deploymentId',
          fn.min('seq').as('first'),
          fn.max('seq').as('last'),
          fn.countAll().as('count'),
        ])
        .groupBy('deploymentId')
        .execute();
      const histories = new Map(
        told.map(each => [each.deploymentId, `${each.first}-${each.last}-${each.count}`]),
      );
      return { rows, histories };
    });
  } finally {
    await database.close();
  }
}

/** The container groups that Azure has, and whose they say they are. */
export async function groupsOf({ world }: Fleet) {
  const { containerGroups } = (await world.control('GET', 'world')) as {
    containerGroups: Record<string, { name: string; tags: Record<string, string> }>;
  };
  return Object.values(containerGroups).map(({ name, tags }) => ({
    name,
    deployment: tags['slipway-deployment'] ?? '',
    revision: Number(tags['slipway-revision']),
  }));
}

/** Waits until nothing moves any more; fails with what still does. */
export async function allSettled(fleet: Fleet, accepted: Accepted, timeoutMs = 120_000): Promise<void> {
  let open = [...accepted];
  const look = async () => {
    const states = await Promise.all(
      open.map(async ([, id]) => (await fleet.ask('GET', `/deployments/${id}`)).json?.settled === true),
    );
    open = open.filter((_, index) => !states[index]);
    if (open.length > 0) await new Promise(done => setTimeout(done, 300));
    return open.length === 0;
  };
  await eventually('everything to settle', look, timeoutMs).catch(error => {
    throw new Error(`${error.message}: ${open.map(([name]) => name).join(', ')}`);
  });
}

const twice = (names: readonly string[]) => [
  ...new Set(names.filter((name, index) => names.indexOf(name) !== index)),
];
