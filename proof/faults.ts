import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../test/support/demo-world.ts';
import { temporaryDirectory } from '../test/support/service.ts';
import { storedValue } from '../test/support/stored-secrets.ts';
import { type Fleet, startFleet, store } from './fleet.ts';
import { later } from './kill-points.ts';
import { noLimits } from './limits.ts';
import { type Cell, planMatrix } from './matrix.ts';
import { type Accepted, allSettled, compareRecords, faultsOf } from './records.ts';
import { createFigure, type Row } from './row.ts';
import { type Scope, within } from './scope.ts';

interface Placed extends Cell {
  /** Of the deployment, its secret and its repository: whatever it asks for is its own. */
  name: string;
}

/** One call of one deployment goes wrong once, and the step comes to its specified end; no other deployment notices. */
export async function proveFaults({ full }: { full: boolean }): Promise<Row[]> {
  const cells = planMatrix({ full }).map((cell, n) => ({ ...cell, name: `cell-${n}` }));
  const figure = createFigure(
    `fault matrix (dependency x fault x step), each to its end, ${store.name} x ${store.replicas}`,
    cells.length,
  );
  const records = createFigure('  records compared after it: none lost, doubled, orphaned', 1);
  await within(async scope => {
    const fleet = await startFleet(scope, { SLIPWAY_POLICY: writePolicy(scope, cells) });
    await furnish(fleet, cells);
    const accepted: Accepted = new Map();
    // Eight at a time, as the service works: a deadline would tell of the crowd otherwise.
    const left = cells.values();
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        for (const cell of left) {
          const point = `${cell.dependency}, ${cell.step}, ${cell.fault}`;
          await play(fleet, accepted, cell).then(
            found => figure.reached(point, found),
            error => figure.missed(point, error),
          );
        }
      }),
    );
    await allSettled(fleet, accepted);
    records.reached('the records', faultsOf(await compareRecords(fleet, accepted)));
  }).catch(error => records.missed('the records', error));
  return [figure.row(), records.row()];
}

/** The demo world's, and the cells' secrets with it. */
function writePolicy(scope: Scope, cells: readonly Placed[]): string {
  const text = readFileSync(join(import.meta.dirname, '../src/policy/embedded.yaml'), 'utf8');
  const path = join(temporaryDirectory(scope), 'policy.yaml');
  writeFileSync(
    path,
    text.replace('acr-admin,', ['acr-admin', ...cells.map(({ name }) => name), ''].join(', ')),
  );
  return path;
}

async function furnish(fleet: Fleet, cells: readonly Placed[]): Promise<void> {
  const value = storedValue(fleet.world, 'acr-admin');
  const tags = { 'slipway-registry': 'myregistry.azurecr.io', 'slipway-username': 'myregistry' };
  await fleet.world.control('PATCH', 'limits', noLimits);
  await fleet.world.control('POST', 'world', {
    secrets: cells.map(({ name }) => ({ vault: 'demo-vault', name, value, tags })),
    images: cells.flatMap(({ name }) =>
      ['1', '2'].map(tag => ({ host: 'myregistry.azurecr.io', repository: name, tag })),
    ),
  });
}

async function play(fleet: Fleet, accepted: Accepted, cell: Placed): Promise<string[]> {
  const { name, step } = cell;
  const inject = async () =>
    (
      (await fleet.world.control('POST', 'faults', { ...placeOf(cell), ...cell.effect, times: 1 })) as {
        id: string;
      }
    ).id;
  const creates = step === 'create' || step === 'watch';
  let fault = creates ? await inject() : '';
  const body = {
    name,
    containers: [{ name: 'app', image: `myregistry.azurecr.io/${name}:1` }],
    imageRegistryCredentials: [{ server: 'myregistry.azurecr.io', secretName: name }],
  };
  const created = await fleet.ask('POST', '/deployments', { body, headers: later });
  if (created.status !== 202) throw new Error(`${created.status} ${created.text}`);
  const id: string = created.json.id;
  accepted.set(name, id);
  let operation: string = created.json.operation;
  if (!creates) {
    await ended(fleet, id, step === 'cancel' ? 'Provisioning' : null);
    fault = await inject();
    operation = await change(fleet, id, cell);
  }
  const settled = await ended(fleet, id);
  await eventually(
    'its operation',
    async () => (await fleet.ask('GET', `/operations/${operation}`)).json.endedAt ?? (await sleep(100, null)),
  );
  const outcome = (await fleet.ask('GET', `/operations/${operation}`)).json;
  if (!(await wasMet(fleet, fault))) throw new Error('no such call was made');
  return compare(cell, settled, outcome);
}

/** Where the cell's own call goes. */
function placeOf({ dependency, step, name, code }: Placed): object {
  if (dependency === 'Key Vault') return { host: 'demo-vault.vault.azure.net', path: `/secrets/${name}/` };
  const registry = { host: 'myregistry.azurecr.io', path: `/v2/${name}/manifests/` };
  // A refusal says why only where the answer has a body.
  if (dependency === 'registry') return code === null ? registry : { ...registry, method: 'GET' };
  const host = 'management.azure.com';
  const method = {
    create: 'PUT',
    watch: 'GET',
    change: 'PUT',
    restart: 'POST',
    cancel: 'DELETE',
    delete: 'DELETE',
  }[step];
  // The first look is before the group is put.
  return { host, method, path: `/containerGroups/${name}[/?]`, ...(step === 'watch' ? { after: 2 } : {}) };
}

async function change(fleet: Fleet, id: string, { step, name }: Placed): Promise<string> {
  const body = { app: `myregistry.azurecr.io/${name}:2` };
  const path = `/deployments/${id}`;
  const asked = await (step === 'delete'
    ? fleet.ask('DELETE', path, { headers: later })
    : fleet.ask('POST', `${path}/${step === 'change' ? 'images' : step}`, {
        headers: later,
        ...(step === 'change' ? { body } : {}),
      }));
  if (asked.status !== 202) throw new Error(`${step}: ${asked.status} ${asked.text}`);
  return (
    /\/operations\/([\w-]+)/.exec(asked.headers.get('operation-location') ?? '')?.[1] ?? asked.json.operation
  );
}

interface Settled {
  status: string;
}

async function ended(fleet: Fleet, id: string, orAt: string | null = null): Promise<Settled> {
  return await eventually(
    'its end',
    async () => {
      const { json } = await fleet.ask('GET', `/deployments/${id}`);
      return json.settled || json.status === orAt ? json : await sleep(150, null);
    },
    120_000,
  );
}

async function wasMet({ world }: Fleet, id: string): Promise<boolean> {
  const { value } = (await world.control('GET', 'faults')) as { value: { id: string; times: number }[] };
  return value.find(each => each.id === id)?.times === 0;
}

const ends = {
  create: 'Running',
  watch: 'Running',
  change: 'Running',
  restart: 'Running',
  cancel: 'Canceled',
  delete: 'Deleted',
};

function compare(
  { code, step }: Cell,
  settled: Settled,
  operation: { status: string; failure: { code: string } | null },
): string[] {
  const found = operation.failure?.code ?? null;
  if (code !== null)
    return found === code ? [] : [`it ended ${operation.status} with ${found}, not with ${code}`];
  return [
    ...(operation.status === 'Succeeded' ? [] : [`the operation ended ${operation.status} with ${found}`]),
    ...(settled.status === ends[step] ? [] : [`it is ${settled.status}, not ${ends[step]}`]),
  ];
}
