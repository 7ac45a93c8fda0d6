import { AzureError } from '../azure/failure.ts';
import type { GroupDocument, GroupDocuments } from '../azure/group-documents.ts';
import type { Roles } from '../azure/roles.ts';
import type { Vault } from '../azure/vault.ts';
import type { Clock } from '../clock.ts';
import { RequestError } from '../errors.ts';
import { decide, type Plan } from '../policy/decide.ts';
import type { LoadedPolicy } from '../policy/load.ts';
import type { RegistryClient } from '../registry/client.ts';
import type { Deployment } from '../schemas/deployment.ts';
import type { DeploymentPlan, PlannedImage, Trouble } from '../schemas/plan.ts';
import type { Caller } from '../schemas/principal.ts';
import type { DeploymentRequest } from '../schemas/request.ts';
import type { Secret } from '../secret.ts';
import type { DeploymentStore } from '../store/deployments.ts';
import { ownerOf } from './adopted-spec.ts';
import { containerGroupBody } from './container-group.ts';
import { credentialRecord } from './credentials.ts';
import { denied } from './denied.ts';
import { differences } from './group-diff.ts';
import { fixedOf, masked, shapeOfBody, shapeOfDocument } from './group-shape.ts';
import { decisionsOf, quotaOf } from './plan-parts.ts';
import type { Verdict } from './preflight.ts';
import { credentialsIn, proveImages, type Resolved, resolveRegistries } from './proof.ts';
import { needsReplacement } from './replacement.ts';
import { askOf, checkSpec, fillDefaults, readImages, type Spec, type SpecImage } from './spec.ts';
import { together } from './together.ts';
import { findWorkloadSecrets } from './workload-secrets.ts';

interface PlanningParts {
  store: Pick<DeploymentStore, 'find' | 'used'>;
  policy: () => LoadedPolicy;
  clock: Clock;
  vault: Vault;
  documents: GroupDocuments;
  roles: Roles;
  registry: RegistryClient;
  acrToken: (signal: AbortSignal) => Promise<Secret>;
  tenantId: string;
}

export type PlanDeployment = ReturnType<typeof createPlanning>;

const nothing: DeploymentPlan = {
  possible: false,
  deployment: null,
  changeKind: null,
  replaces: [],
  effect: 'Nothing was asked of Azure.',
  decisions: [],
  images: [],
  credentials: [],
  workloadSecrets: [],
  quota: [],
  diff: [],
  troubles: [],
};

/** All that a deployment does but submitting, with nothing from a cache. What stands in the way is told, not thrown. */
export function createPlanning(parts: PlanningParts) {
  return async (caller: Caller, request: DeploymentRequest, signal: AbortSignal): Promise<DeploymentPlan> => {
    const judged = judge(caller, request, parts.policy(), parts.clock.now());
    if ('troubles' in judged) return { ...nothing, troubles: judged.troubles };
    try {
      return await look(judged, parts, signal);
    } catch (error) {
      if (!(error instanceof AzureError)) throw error;
      const decisions = decisionsOf(judged.plan);
      return {
        ...nothing,
        decisions,
        effect: 'Azure did not say what it would do.',
        troubles: [outage(error)],
      };
    }
  };
}

interface Judged {
  spec: Spec;
  images: SpecImage[];
  plan: Plan;
  loaded: LoadedPolicy;
}

function judge(
  caller: Caller,
  request: DeploymentRequest,
  loaded: LoadedPolicy,
  now: Date,
): Judged | { troubles: Trouble[] } {
  try {
    const asked = fillDefaults(request);
    checkSpec(asked, now);
    const images = readImages(asked);
    const decision = decide(loaded, caller, askOf(asked, images));
    if (!decision.allowed) throw denied(decision, images);
    const { plan } = decision;
    const spec = { ...asked, team: plan.team, target: plan.target.name, location: plan.target.location };
    return { spec, images, plan, loaded };
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    const { code, message, extras } = error;
    const places = extras.errors?.map(({ pointer, detail }) => ({ code, pointer, detail }));
    return { troubles: places ?? [{ code, detail: message }] };
  }
}

async function look(judged: Judged, parts: PlanningParts, signal: AbortSignal): Promise<DeploymentPlan> {
  const { spec, images, plan, loaded } = judged;
  const now = parts.clock.now();
  using held = new DisposableStack();
  const credentialParts = { vault: parts.vault, policy: loaded, now, signal, held };
  const { subscription, resourceGroup } = plan.target;
  const [document, present, used, resolved, workload] = await together(
    parts.documents.read({ subscription, resourceGroup, name: spec.name }, signal),
    parts.store.find([plan.team], { target: plan.target.name, name: spec.name }),
    parts.store.used(plan.team, now),
    resolveRegistries(plan.registries, credentialParts),
    findWorkloadSecrets(plan.workloadSecrets, credentialParts),
  );
  const group = { name: spec.name, resourceGroup };
  const proof = { ...parts, now, group, signal, fresh: true };
  const verdicts = await proveImages(images, resolved, spec, proof);
  const quota = quotaOf(plan.quota, used, spec, present && isThere(present) ? present.spec : null);
  const troubles = [
    ...foreign(document, present, spec),
    ...verdicts.flatMap(verdict => (verdict.ok ? [] : [asTrouble(verdict.failure)])),
    ...(workload.ok ? [] : [asTrouble(workload.failure)]),
    ...quota
      .filter(({ exceeded }) => exceeded)
      .map(({ which, limit, used }) => ({
        code: 'TeamQuotaExceeded',
        detail: `Team '${plan.team}' may have ${limit} ${which} and has ${used}.`,
      })),
  ];
  return {
    ...compared(document, judged, resolved, verdicts),
    possible: troubles.length === 0,
    deployment: present && isThere(present) ? present.id : null,
    decisions: decisionsOf(plan),
    images: verdicts.map((verdict, index) => plannedImage(verdict, images[index])),
    credentials: credentialsIn(resolved)
      .filter(({ kind }) => kind !== 'anonymous')
      .map(credentialRecord),
    workloadSecrets: workload.ok ? workload.found : [],
    quota,
    troubles,
  };
}

const isThere = ({ status }: Deployment) => status !== 'Deleted';

function plannedImage(verdict: Verdict, asked: SpecImage | undefined): PlannedImage {
  const { container = '', requested = '' } = asked ?? {};
  if (!verdict.ok) return { container, requested, usable: false, failure: verdict.failure };
  const { image, notes } = verdict;
  return { container, requested, usable: true, image, ...(notes.length > 0 ? { notes } : {}) };
}

const effects = {
  create: 'A container group is made.',
  inPlace: 'Azure changes the group in place, and restarts every container in it.',
  replace:
    'Azure cannot change this in place: with allowReplace the group is deleted and made anew, is down meanwhile, and its address may change.',
  none: 'Nothing that Azure shows differs; deployed all the same, every container is restarted in place.',
} as const;

/** What would become of the live group, were the body sent that a deployment sends. */
function compared(
  document: GroupDocument | null,
  { spec, plan }: Judged,
  resolved: Resolved[],
  verdicts: Verdict[],
): Pick<DeploymentPlan, 'changeKind' | 'replaces' | 'effect' | 'diff'> {
  const body = containerGroupBody({
    ...{ deployment: '', revision: 0, team: plan.team, spec, plan },
    images: verdicts.flatMap(verdict => (verdict.ok ? [verdict.image] : [])),
    credentials: credentialsIn(resolved),
    workload: new Map(plan.workloadSecrets.map(({ pointer }) => [pointer, { reveal: () => masked }])),
  });
  const diff = differences(document ? shapeOfDocument(document) : {}, shapeOfBody(body));
  const replaces = document ? needsReplacement(fixedOf(document), spec) : [];
  const changed = diff.length > 0 ? ('inPlace' as const) : ('none' as const);
  const changeKind = document ? (replaces.length > 0 ? ('replace' as const) : changed) : ('create' as const);
  return { changeKind, replaces, effect: effects[changeKind], diff };
}

function foreign(document: GroupDocument | null, present: Deployment | null, { name }: Spec): Trouble[] {
  if (!document || (present && ownerOf(document.tags) === present.id)) return [];
  const detail = `The resource group has a container group '${name}' that is not this deployment's: it is never touched.`;
  return [{ code: 'ContainerGroupExists', detail, pointer: '/name' }];
}

const asTrouble = (failure: NonNullable<Trouble['failure']>): Trouble => ({
  code: failure.code,
  detail: failure.detail,
  ...(failure.target === undefined ? {} : { pointer: failure.target }),
  failure,
});

const outage = ({ kind, message }: AzureError): Trouble => ({
  code: 'AzureUnavailable',
  detail: `${kind === 'vault' ? 'Key Vault' : 'Azure Resource Manager'} did not answer as it should: ${message}`,
});
