import { createAzure } from './azure.ts';
import { Clock } from './clock.ts';
import { createControl } from './control/control.ts';
import { demo } from './demo-ids.ts';
import { createDemoWorld } from './demo-world.ts';
import { createDoor } from './door/door.ts';
import { createFaults, type Faults } from './door/faults.ts';
import { createJournal, type Journal } from './door/journal.ts';
import { exchangeAudience, issueAssertion } from './entra/federated.ts';
import type { SigningKeys } from './entra/keys.ts';
import { audienceOf } from './entra/resources.ts';
import { createTokens, type EntraTokens } from './entra/tokens.ts';
import { keepHandover } from './handover.ts';
import { hostTable } from './host-table.ts';
import { createLimits, type Limits } from './limits/limits.ts';
import { listen } from './listen.ts';
import { createNetwork } from './network.ts';
import type { ContainerGroups, Parts, Service } from './parts.ts';
import { openState } from './state.ts';
import type { World } from './world.ts';

export interface EmulatorOptions {
  host?: string;
  /** 8443; 0 takes a free one. */
  port?: number;
  tier?: Parts['tier'];
  /** Registries that are not ours: host name to origin. */
  registries?: Record<string, string>;
  /** Where the world is kept; in memory without it. */
  dataDir?: string | undefined;
}

export interface Emulator {
  port: number;
  url: string;
  /** The certificate of the authority that signs for every host, in PEM form. */
  ca: string;
  /** The text of `SLIPWAY_HOSTS`, as the world is now. */
  readonly hosts: string;
  world: World;
  clock: Clock;
  limits: Limits;
  journal: Journal;
  faults: Faults;
  /** What Slipway's own identity signs in with, instead of a secret. */
  slipwayAssertion(): Promise<string>;
  /** A token for a client by its name or id; for Slipway's API without a scope. */
  token(client: string, scope?: string): Promise<string>;
  close(): Promise<void>;
}

/** Starts the whole embedded Azure in this process; `close` ends it and keeps what changed. */
export async function startEmulator(options: EmulatorOptions = {}): Promise<Emulator> {
  const { dataDir, world, keys, certificates, persistence } = await openState(options.dataDir);
  const { host = '127.0.0.1', tier = 'registry', registries: external = {} } = options;
  const { changed } = persistence;
  const { ca } = certificates;
  const clock = new Clock();
  const limits = createLimits(clock);
  const tokens = createTokens(world, keys.entra);
  const journal = createJournal();
  const faults = createFaults();

  const address = { hostname: reachable(host), port: 0 };
  const known: Service[] = [];
  const exists = (name: string) => known.some(each => each.answersFor(name));
  const network = createNetwork({ exists, address: () => address, ca });
  const parts = { world, clock, limits, tier, tokens, changed, fetch: network.fetch };
  const { services, groups } = createAzure(parts, keys, external);
  known.push(...services);

  const identify = createIdentifier(world, tokens, keys.federated);
  const control = createControl({
    ...parts,
    ...identify,
    journal,
    faults,
    groups,
    reset() {
      limits.refill();
      reset(world, groups);
    },
    rotateKeys: keys.entra.rotate,
  });
  const apps = [control, ...services.map(({ app }) => app)];
  await Promise.all(apps.map(app => app.ready()));
  const { flush } = persistence;
  const server = createDoor({ certificates, services, control, journal, faults, clock, flush });
  address.port = await listen(server, host, options.port ?? 8443);
  const { port } = address;
  const url = `https://${address.hostname}:${port}`;
  const hosts = () => hostTable(world, Object.keys(external), address);
  const { slipwayAssertion, token } = identify;
  const handover = dataDir
    ? await keepHandover(dataDir, { port, url, hosts: hosts(), slipwayAssertion })
    : undefined;
  groups.resume();

  async function close(): Promise<void> {
    groups.stop();
    clock.silence();
    handover?.close();
    server.close();
    server.closeAllConnections();
    await network.close();
    await Promise.all(apps.map(app => app.close()));
    await persistence.close();
  }
  return {
    ...{ port, url, ca, world, clock, limits, journal, faults, slipwayAssertion, token, close },
    get hosts() {
      return hosts();
    },
  };
}

/** Back to the demo world; what lived in the old one stops. */
function reset(world: World, groups: ContainerGroups): void {
  groups.stop();
  Object.assign(world, createDemoWorld());
  groups.resume();
}

/** Tokens for who need not prove who he is: tests, and people at the machine. */
function createIdentifier(world: World, tokens: EntraTokens, federatedKeys: SigningKeys) {
  async function issueToken(client: string, scope: string): Promise<string | null> {
    const principal = Object.values(world.principals).find(
      each => each.clientId === client || each.displayName === client,
    );
    const audience = audienceOf(scope.replace(/\/\.default$/, ''));
    return principal && audience ? tokens.issue(principal, audience, 'secret') : null;
  }
  return {
    issueToken,
    async token(client: string, scope = 'api://slipway/.default'): Promise<string> {
      const token = await issueToken(client, scope);
      if (token === null) throw new Error(`there is no client '${client}', or no resource '${scope}'`);
      return token;
    },
    issueAssertion: (subject: string, audience: string, claims: Record<string, unknown>) =>
      issueAssertion(federatedKeys, subject, audience, claims),
    slipwayAssertion: () => issueAssertion(federatedKeys, demo.slipwaySubject, exchangeAudience),
  };
}

/** Where clients on this machine reach a server that listens on `host`. */
function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  return host === '::' ? '::1' : host;
}
