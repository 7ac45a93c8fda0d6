import { join } from 'node:path';
import t from 'tap';
import { AzureError } from '../../src/azure/failure.ts';
import { systemClock } from '../../src/clock.ts';
import { askOf, fillDefaults, readImages } from '../../src/deployments/spec.ts';
import { resolve } from '../../src/deployments/stages/resolve.ts';
import type { StageParts } from '../../src/deployments/stages/stage.ts';
import { decide } from '../../src/policy/decide.ts';
import { loadPolicy } from '../../src/policy/load.ts';
import { callerOf } from '../../src/policy/principals.ts';
import { Secret, scrub } from '../../src/secret.ts';
import type { DeploymentRow } from '../../src/store/deployments.ts';

const policy = loadPolicy(join(import.meta.dirname, '../../src/policy/embedded.yaml'));
const password = 'a-password-that-was-resolved';

/** The first stage over a vault that has one good secret, and another that ends as the test says. */
async function run(other: () => Promise<never[]>) {
  const spec = fillDefaults({
    name: 'web',
    containers: [
      { name: 'a', image: 'ghcr.io/myorg/app:1' },
      { name: 'b', image: 'registry.mycompany.com/team/app:1' },
    ],
  });
  const claims = {
    azp: '00000000-0000-0000-0000-0000000d0001',
    idtyp: 'app',
    oid: 'someone',
    exp: 4_000_000_000,
  };
  const caller = callerOf(policy, 'embedded', claims);
  const ask = askOf(spec, readImages(spec));
  const decision = caller && decide(policy, caller, ask);
  if (!decision?.allowed) throw new Error('the policy does not allow it');
  const { plan } = decision;
  const row = {
    id: 'id',
    name: 'web',
    status: 'Resolving',
    team: plan.team,
    target: plan.target.name,
    location: plan.target.location,
    spec,
    plan: { plan, ask, caller },
  };
  const version = {
    version: '1',
    enabled: true,
    createdOn: new Date(),
    tags: { 'slipway-registry': 'ghcr.io', 'slipway-username': 'me' },
  };
  const parts = {
    policy: () => policy,
    clock: systemClock,
    containerGroups: { get: async () => null },
    vault: {
      properties: (_url: string, name: string) =>
        name === 'ghcr-pull' ? Promise.resolve([version]) : other(),
      value: async () => new Secret(password),
    },
  };
  return resolve(
    row as unknown as DeploymentRow,
    parts as unknown as StageParts,
    new AbortController().signal,
  );
}

const answer = (status: number, code: string) =>
  new AzureError({
    kind: 'vault',
    operation: 'list versions',
    status,
    code,
    message: 'no',
    retryAfterMs: null,
    requestId: null,
  });

t.test(
  'a secret that was resolved ends with its stage, also where another one is refused or the vault is out',
  async t => {
    t.match(await run(() => Promise.reject(answer(404, 'SecretNotFound'))), {
      to: 'Failed',
      patch: { failure: { code: 'SecretNotFound' } },
    });
    t.equal(scrub(password), password, 'after a refusal');
    await t.rejects(
      run(() => Promise.reject(answer(503, 'InternalError'))),
      { code: 'InternalError' },
    );
    t.equal(scrub(password), password, 'after an outage');
  },
);
