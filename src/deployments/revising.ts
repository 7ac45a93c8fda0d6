import { createError } from '../errors.ts';
import { decide } from '../policy/decide.ts';
import type { Deployment } from '../schemas/deployment.ts';
import type { Intent } from '../schemas/intent.ts';
import type { Caller } from '../schemas/principal.ts';
import type { DeploymentRequest } from '../schemas/request.ts';
import type { Revision } from '../schemas/revision.ts';
import type { OnBusy, RevisionRow } from '../store/deployments.ts';
import { acceptChange, acceptedBefore, type Change, type ChangeParts } from './accept-change.ts';
import { goesOn, isAside } from './aside.ts';
import { denied } from './denied.ts';
import { findOrThrow, recordsFor, teamsWith } from './finding.ts';
import type { ChangeContext } from './idempotency.ts';
import { digestsOf } from './pins.ts';
import { changedSince, notLive } from './refusals.ts';
import { needsReplacement } from './replacement.ts';
import { own, patched, withImages } from './revised-spec.ts';
import { askOf, checkSpec, fillDefaults, readImages, type Spec, sizeOf } from './spec.ts';

/** How a change of a deployment is asked for, beside what it is. */
export interface Asking {
  context: ChangeContext;
  /** Whether the deployment is the one that the caller has read; absent where he does not say. */
  isExpected?: (deployment: Deployment) => boolean;
  onBusy?: OnBusy | undefined;
  allowReplace?: boolean | undefined;
}

type Kind = 'Update' | 'Redeploy' | 'Rollback';

/** What the new revision is: a spec, and what else is asked of it. */
interface Wanted {
  kind: Kind;
  spec: Spec;
  pins?: Record<string, string>;
  /** Only what no container notices is asked for. */
  aside?: boolean;
}

export type Revising = ReturnType<typeof createRevising>;

/** Every change that makes a revision. The whole spec is judged anew each time, and a GET is never sent back as a PUT. */
export function createRevising(parts: ChangeParts) {
  const { store, policy } = parts;
  return {
    /** A whole spec in place of the present one. */
    put(caller: Caller, ref: string, request: DeploymentRequest, asking: Asking): Promise<Change> {
      const wanted = (deployment: Deployment) => ({
        kind: 'Update' as const,
        spec: own(deployment, request),
      });
      return change(caller, ref, { put: request }, asking, wanted);
    },

    /** RFC 7396: arrays are replaced whole. */
    patch(caller: Caller, ref: string, patch: object, asking: Asking): Promise<Change> {
      return change(caller, ref, { patch }, asking, deployment => ({
        kind: 'Update',
        spec: patched(deployment, patch),
        aside: isAside(patch),
      }));
    },

    /** Other images by the names of containers, all else as it is. */
    images(caller: Caller, ref: string, images: Record<string, string>, asking: Asking): Promise<Change> {
      return change(caller, ref, { images }, asking, ({ spec }) => ({
        kind: 'Update',
        spec: withImages(spec, images),
      }));
    },

    redeploy(caller: Caller, ref: string, asking: Asking): Promise<Change> {
      return change(caller, ref, {}, asking, ({ spec }) => ({ kind: 'Redeploy', spec }));
    },

    /** To a revision, else to the last one that succeeded; on the digests that it had. */
    rollback(caller: Caller, ref: string, to: number | undefined, asking: Asking): Promise<Change> {
      return change(caller, ref, { to: to ?? null }, asking, async deployment => {
        const { spec, images } = await revisionToGoBackTo(deployment, to);
        return { kind: 'Rollback', spec: endingAs(deployment, spec), pins: digestsOf(images) };
      });
    },

    /** `POST /deployments` with `onExisting: replace`; null where there is nothing to replace. */
    async replace(
      caller: Caller,
      spec: Spec,
      request: object,
      asking: Pick<Asking, 'context' | 'allowReplace'>,
    ): Promise<Change | null> {
      const { team, target = '', name } = spec;
      const found = await store.find(team === undefined ? [] : [team], { target, name });
      const wanted = () => ({ kind: 'Update' as const, spec });
      return found && attempt(caller, found, request, asking, wanted);
    },

    async revisions(
      caller: Caller,
      ref: string,
      page: { before?: number | undefined; size: number },
    ): Promise<{ value: Revision[]; next?: string }> {
      const teams = recordsFor(caller);
      const { id } = await findOrThrow(store, teams, ref);
      const { value, more } = await store.revisions(teams, id, page);
      const last = value.at(-1);
      return more && last ? { value, next: String(last.number) } : { value };
    },

    async revision(caller: Caller, ref: string, number: number): Promise<Revision> {
      const teams = recordsFor(caller);
      const { id } = await findOrThrow(store, teams, ref);
      const { value } = await store.revisions(teams, id, { before: number + 1, size: 1 });
      const [found] = value;
      if (found?.number !== number) throw createError('NotFound', 'There is no such revision.');
      return found;
    },
  };

  async function change(
    caller: Caller,
    ref: string,
    asked: object,
    asking: Asking,
    wantedOf: (deployment: Deployment) => Wanted | Promise<Wanted>,
  ): Promise<Change> {
    const deployment = await findOrThrow(store, teamsWith(caller, 'deploy'), ref);
    const { id } = deployment;
    const whole = { id, ...asked, allowReplace: asking.allowReplace ?? false };
    const change = await attempt(caller, deployment, whole, asking, wantedOf);
    if (!change) throw notLive(deployment);
    return change;
  }

  /** Null where the deployment has nothing left that could be changed. */
  async function attempt(
    caller: Caller,
    deployment: Deployment,
    asked: object,
    { context, isExpected, onBusy, allowReplace }: Asking,
    wantedOf: (deployment: Deployment) => Wanted | Promise<Wanted>,
  ): Promise<Change | null> {
    const before = await acceptedBefore(parts, caller, deployment, asked, context);
    if (before) return before;
    if (isExpected && !isExpected(deployment)) throw changedSince(deployment);

    const { kind, spec: raw, pins, aside } = await wantedOf(deployment);
    const { spec, plan, quota } = judge(caller, raw);
    const live = await liveOf(deployment);
    const turn = onBusy ?? spec.onBusy ?? 'fail';
    // What waits for its turn comes after what is under way.
    const present = deployment.settled || turn === 'supersede' ? live : deployment;
    const replaces = present ? needsReplacement(present.spec, spec) : [];
    const kept = aside && goesOn(deployment) ? live : null;
    if (replaces.length > 0 && !allowReplace) throw requiresReplacement(replaces);
    const intent: Intent & { kind: Kind } = {
      kind,
      ...(allowReplace ? { allowReplace } : {}),
      ...(replaces.length > 0 ? { replaces: true } : {}),
      ...(spec.onFailure === 'rollback' ? { onFailure: 'rollback' } : {}),
      ...(pins ? { pins } : {}),
      ...(kept ? { keeps: { revision: kept.number, untag: Object.keys(kept.spec.labels ?? {}) } } : {}),
    };
    return acceptChange(
      parts,
      caller,
      deployment,
      {
        asked,
        intent,
        onBusy: turn,
        ...(isExpected ? { expects: deployment } : {}),
        revision: { spec, plan, size: sizeOf(spec), quota, ...(kept ? { madeOf: kept } : {}) },
      },
      context,
    );
  }

  /** The same judgement as for the first revision. */
  function judge(caller: Caller, raw: Spec) {
    const filled = fillDefaults(raw);
    checkSpec(filled, parts.clock.now());
    const images = readImages(filled);
    const ask = askOf(filled, images);
    const decision = decide(policy(), caller, ask);
    if (!decision.allowed) throw denied(decision, images);
    const { plan } = decision;
    const spec = { ...filled, team: plan.team, target: plan.target.name, location: plan.target.location };
    return { spec, plan: { plan, ask, caller }, quota: plan.quota };
  }

  async function liveOf({ id, team, liveRevision }: Deployment): Promise<RevisionRow | null> {
    return liveRevision === null ? null : store.revision([team], id, liveRevision);
  }

  async function revisionToGoBackTo(deployment: Deployment, asked: number | undefined) {
    const { id, team, revision } = deployment;
    const number = asked ?? (await store.lastSucceeded([team], id, revision));
    const found = number === null ? null : await store.revision([team], id, number);
    if (found) return found;
    throw createError(
      'NoRevisionToRollBackTo',
      asked === undefined
        ? 'No revision before this one has succeeded.'
        : `The deployment has no revision ${asked}.`,
      { about: { team, target: deployment.name } },
    );
  }
}

/** When it ends is not gone back on: that of then may be over. */
function endingAs({ spec: { expiresAt } }: Deployment, { expiresAt: _, ...spec }: Spec): Spec {
  return { ...spec, ...(expiresAt === undefined ? {} : { expiresAt }) };
}

function requiresReplacement(places: string[]) {
  const detail = `Azure cannot change ${places.join(', ')} in place. With ?allowReplace=true the container group is deleted and made anew: it is down meanwhile, and its address may change.`;
  const errors = places.map(pointer => ({ pointer, detail: 'cannot be changed in place' }));
  return createError('RequiresReplacement', detail, { errors });
}
