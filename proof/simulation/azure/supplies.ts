import { createHash } from 'node:crypto';
import { AzureError } from '../../../src/azure/failure.ts';
import type { SecretVersion, Vault } from '../../../src/azure/vault.ts';
import type { Pull, PullRequest, RegistryClient, RegistryProblem } from '../../../src/registry/client.ts';
import { formatReference } from '../../../src/registry/reference.ts';
import { Secret, scrub } from '../../../src/secret.ts';
import type { Actor, Calls } from '../calls.ts';
import type { Flaws } from '../flaws.ts';
import { registryHost, secretName } from '../policy.ts';
import type { Random } from '../random.ts';
import type { DrivenTime } from '../time.ts';
import { noAnswer } from './ports.ts';

/** The vault's secret and the registry's images, which change. */
export interface Supplies {
  /** A new version is stored: the ones before it are good a while longer. */
  rotate(): void;
  /** Tags come to mean other images. */
  move(): void;
  /** All that must never be on record. */
  values(): readonly string[];
  vault(actor: Actor): Vault;
  registry(actor: Actor): RegistryClient;
}

export function createSupplies(calls: Calls, time: DrivenTime, random: Random, flaws: Flaws): Supplies {
  const versions: (SecretVersion & { value: string })[] = [];
  let generation = 0;
  const rotate = () => {
    const id = createHash('sha256').update(`version ${versions.length}`).digest('hex').slice(0, 32);
    const tags = { 'slipway-registry': registryHost, 'slipway-username': 'puller' };
    const version = { version: id, tags, enabled: true, createdOn: new Date(time.now()) };
    versions.unshift({ ...version, value: `hunter-${id}` });
  };
  rotate();
  const refuse = () =>
    new AzureError({
      ...{ kind: 'vault', operation: 'simulated', code: null, message: 'try again', requestId: null },
      ...{ status: random.pick([429, 503, 500]), retryAfterMs: random.chance(0.5) ? 2_000 : null },
    });
  return {
    rotate,
    move: () => {
      generation += 1;
    },
    values: () => versions.map(({ value }) => value),
    vault(actor) {
      const ask = <T>(what: string, act: () => T, signal?: AbortSignal): Promise<T> =>
        calls.make({
          ...{ actor, act, what: `vault ${what}`, longestMs: 5_000, refusal: refuse, signal },
          silence: () => noAnswer('vault'),
        });
      return {
        properties: (_url, _name, signal) =>
          ask('versions', () => versions.map(({ value: _, ...version }) => version), signal),
        value: (_url, _name, version, signal) => {
          const found = versions.find(each => each.version === version)?.value ?? '';
          return ask(`value of ${secretName}`, () => new Secret(found), signal);
        },
      };
    },
    registry: actor => ({
      resolve: asked =>
        calls
          .make<Pull>({
            ...{ actor, what: 'registry HEAD', longestMs: 10_000, signal: asked.signal },
            act: () => ({
              ok: true,
              digest: digestOf(asked.reference, generation),
              mediaType,
              platformDigest: null,
            }),
            refusal: () => new Refused(drawProblem(random, flaws, asked)),
            silence: () => new Refused({ ...problem('connect'), networkCode: 'ETIMEDOUT' }),
          })
          .catch(error => {
            if (error instanceof Refused) return { ok: false, problem: error.problem };
            throw error;
          }),
    }),
  };
}

const mediaType = 'application/vnd.oci.image.manifest.v1+json';

function digestOf(reference: PullRequest['reference'], generation: number): string {
  const named = `${formatReference(reference)} ${generation}`;
  return reference.digest ?? `sha256:${createHash('sha256').update(named).digest('hex')}`;
}

class Refused extends Error {
  readonly problem: RegistryProblem;
  constructor(problem: RegistryProblem) {
    super(problem.step);
    this.problem = problem;
  }
}

const problem = (step: RegistryProblem['step']) => ({ step, host: registryHost, signedIn: true });

/** A registry that repeats the password that it was sent is one of them. */
function drawProblem(random: Random, flaws: Flaws, { credential }: PullRequest): RegistryProblem {
  const told = flaws.has('unscrubbed') ? (text: string) => text : scrub;
  const password = credential && 'password' in credential ? credential.password.reveal() : '';
  return random.weighed<RegistryProblem>([
    [2, { ...problem('token'), status: 401, registryMessage: told(`wrong password ${password}`) }],
    [1, { ...problem('manifest'), status: 404, registryCode: 'MANIFEST_UNKNOWN' }],
    [3, { ...problem('manifest'), status: 503 }],
    [3, { ...problem('manifest'), status: 429, retryAfter: '20' }],
  ]);
}
