import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { temporaryDirectory } from '../test/support/service.ts';
import { storedValue } from '../test/support/stored-secrets.ts';
import { type Taken, takeStep } from './fault-steps.ts';
import { type Fleet, startFleet, store } from './fleet.ts';
import { noLimits } from './limits.ts';
import { allCount, type Cell, faultCount, notAsked, planMatrix, type Step } from './matrix.ts';
import { type Accepted, allSettled, compareRecords, faultsOf } from './records.ts';
import { createFigure, type Figure, type Row } from './row.ts';
import { type Scope, within } from './scope.ts';

type Pair = Pick<Cell, 'dependency' | 'step'>;
/** Of the deployment, its secret and its repository: whatever it asks for is its own. */
type Placed<T> = T & { name: string };

/**
 * One call of one deployment goes wrong once, and the step comes to its specified end; no other deployment notices. Where a
 * step asks a dependency for nothing, that is what is proven: an outage of it is not met.
 */
export async function proveFaults({ full }: { full: boolean }): Promise<Row[]> {
  const cells = planMatrix({ full }).map((cell, n) => ({ ...cell, name: `cell-${n}` }));
  const pairs = notAsked.map((pair, n) => ({ ...pair, name: `unasked-${n}` }));
  const figure = createFigure(
    `fault matrix (dependency x fault x step), each to its end, ${store.name} x ${store.replicas}`,
    cells.length,
  );
  const unmet = createFigure(
    `  what stands for the ${notAsked.length * faultCount} of ${allCount} that cannot be: not asked in that step`,
    pairs.length,
  );
  const records = createFigure('  records compared after it: none lost, doubled, orphaned', 1);
  await within(async scope => {
    const names = [...cells, ...pairs].map(({ name }) => name);
    const fleet = await startFleet(scope, { SLIPWAY_POLICY: writePolicy(scope, names) });
    await furnish(fleet, [...cells, ...pairs]);
    const accepted: Accepted = new Map();
    const prove = (cell: Placed<Cell>) => told(figure, cell, play(fleet, accepted, cell));
    // Tokens are for all: who else asks for one meanwhile would meet the fault.
    const [own, shared] = [false, true].map(is => cells.filter(cell => (cell.dependency === 'Entra') === is));
    await eightAtATime([
      ...(own ?? []).map(cell => () => prove(cell)),
      ...pairs.map(pair => () => told(unmet, pair, avoid(fleet, accepted, pair))),
    ]);
    for (const cell of shared ?? []) await prove(cell);
    await allSettled(fleet, accepted);
    records.reached('the records', faultsOf(await compareRecords(fleet, accepted)));
  }).catch(error => records.missed('the records', error));
  return [figure.row(), unmet.row(), records.row()];
}

function told(figure: Figure, cell: Pair & { fault?: string }, found: Promise<string[]>): Promise<void> {
  const { dependency, step, fault } = cell;
  const point = [dependency, step, fault].filter(Boolean).join(', ');
  return found.then(
    faults => figure.reached(point, faults),
    error => figure.missed(point, error),
  );
}

/** As the service works: a deadline would tell of the crowd otherwise. */
async function eightAtATime(tasks: readonly (() => Promise<void>)[]): Promise<void> {
  const left = tasks.values();
  const work = async () => {
    for (const task of left) await task();
  };
  await Promise.all(Array.from({ length: 8 }, work));
}

/** The demo world's, and the cells' secrets with it. */
function writePolicy(scope: Scope, names: readonly string[]): string {
  const text = readFileSync(join(import.meta.dirname, '../src/policy/embedded.yaml'), 'utf8');
  const path = join(temporaryDirectory(scope), 'policy.yaml');
  writeFileSync(path, text.replace('acr-admin,', ['acr-admin', ...names, ''].join(', ')));
  return path;
}

async function furnish(fleet: Fleet, cells: readonly Placed<Pair>[]): Promise<void> {
  const names = cells.map(({ name }) => name);
  const value = storedValue(fleet.world, 'acr-admin');
  const tags = { 'slipway-registry': 'myregistry.azurecr.io', 'slipway-username': 'myregistry' };
  await fleet.world.control('PATCH', 'limits', noLimits);
  await fleet.world.control('POST', 'world', {
    secrets: names.map(name => ({ vault: 'demo-vault', name, value, tags })),
    images: names.flatMap(name =>
      ['1', '2'].map(tag => ({ host: 'myregistry.azurecr.io', repository: name, tag })),
    ),
  });
  // What is to be canceled is still on its way then, however slow this machine.
  const pending = [{ afterMs: 0, provisioningState: 'Pending', state: 'Pending' }];
  for (const { name } of cells.filter(({ step }) => step === 'cancel'))
    await fleet.world.control('POST', 'lives', { group: name, steps: pending });
}

/** What did not hold of a cell. */
async function play(fleet: Fleet, accepted: Accepted, cell: Placed<Cell>): Promise<string[]> {
  await using ends = new AsyncDisposableStack();
  let met = async () => false;
  const taken = await takeStep(fleet, accepted, cell, async () => {
    const refused = cell.dependency === 'Entra' ? await refuseToken(fleet, cell) : null;
    const id = await inject(fleet, { times: 1, ...placeOf(cell), ...cell.effect });
    met = () => isMet(fleet, id);
    if (!refused) return;
    const over = endOnceMet(fleet, refused, met);
    ends.defer(() => over);
  });
  if (!(await met())) throw new Error('no such call was made');
  return compare(cell, taken);
}

/** The step goes well although the dependency is out, and it was not asked. */
async function avoid(fleet: Fleet, accepted: Accepted, pair: Placed<Pair>): Promise<string[]> {
  let id = '';
  // Until it is provisioned it is created.
  const taken = await takeStep(fleet, accepted, { ...pair, from: 'Provisioning' }, async () => {
    id = await inject(fleet, { ...ownCall(pair), outage: true, times: 1 });
  });
  const asked = await isMet(fleet, id);
  await fleet.world.control('DELETE', `faults/${id}`);
  return [...compare({ ...pair, code: null }, taken), ...(asked ? [`${pair.dependency} was asked`] : [])];
}

/** Azure, which pulls too, asks for no heads. */
function ownCall(pair: Placed<Pair>): object {
  const place = placeOf({ ...pair, code: null });
  return pair.dependency === 'registry' ? { ...place, method: 'HEAD' } : place;
}

/** Entra ID is asked for a token where the one at hand is refused: until that has been, at every replica. */
const refuseToken = (fleet: Fleet, { name, step }: Placed<Cell>) =>
  inject(fleet, {
    ...armCall(name, step),
    response: {
      status: 401,
      body: { error: { code: 'ExpiredAuthenticationToken', message: 'by the proof' } },
    },
  });

async function endOnceMet(fleet: Fleet, refused: string, met: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!(await met()) && Date.now() < deadline) await sleep(50);
  await fleet.world.control('DELETE', `faults/${refused}`);
}

/** Where the cell's own call goes. */
function placeOf({ dependency, step, name, code }: Placed<Pair & Pick<Cell, 'code'>>): object {
  switch (dependency) {
    case 'ARM':
      return armCall(name, step);
    case 'Entra':
      return { host: 'login.microsoftonline.com', method: 'POST', path: '/oauth2/v2.0/token' };
    case 'Key Vault':
      return { host: 'demo-vault.vault.azure.net', path: `/secrets/${name}/` };
    case 'registry':
      return registryCall(name, step, code !== null);
  }
}

/** A refusal counts where it says why, in a body; of what is known by its digest already only the head is read. */
function registryCall(name: string, step: Step, refused: boolean): object {
  const place = { host: 'myregistry.azurecr.io', path: `/v2/${name}/manifests/` };
  if (!refused) return place;
  return step === 'replace' || step === 'rollback' ? { ...place, times: 2 } : { ...place, method: 'GET' };
}

const methods = {
  create: 'PUT',
  watch: 'GET',
  change: 'PUT',
  replace: 'PUT',
  rollback: 'PUT',
  restart: 'POST',
  cancel: 'DELETE',
  delete: 'DELETE',
} as const satisfies Record<Step, string>;

function armCall(name: string, step: Step): object {
  const place = { host: 'management.azure.com', method: methods[step], path: `/containerGroups/${name}[/?]` };
  // The first look is before the group is put.
  return step === 'watch' ? { ...place, after: 2 } : place;
}

async function inject({ world }: Fleet, fault: object): Promise<string> {
  return ((await world.control('POST', 'faults', fault)) as { id: string }).id;
}

async function isMet({ world }: Fleet, id: string): Promise<boolean> {
  const { value } = (await world.control('GET', 'faults')) as { value: { id: string; times: number }[] };
  return value.find(each => each.id === id)?.times === 0;
}

const endings = {
  create: 'Running',
  watch: 'Running',
  change: 'Running',
  replace: 'Running',
  rollback: 'Running',
  restart: 'Running',
  cancel: 'Canceled',
  delete: 'Deleted',
} as const satisfies Record<Step, string>;

function compare({ code, step }: Pair & Pick<Cell, 'code'>, { settled, outcome, refused }: Taken): string[] {
  const found = refused ?? outcome.failure?.code ?? null;
  if (found !== code) return [`it ended ${outcome.status} with ${found}, not with ${code}`];
  if (code !== null && refused === null) return [];
  return [
    ...(outcome.status === 'Succeeded' ? [] : [`the operation ended ${outcome.status}`]),
    ...(settled.status === endings[step] ? [] : [`it is ${settled.status}, not ${endings[step]}`]),
  ];
}
