import { AzureError } from '../azure/failure.ts';
import type { GroupDocument, GroupDocuments } from '../azure/group-documents.ts';
import { createError } from '../errors.ts';
import { decide } from '../policy/decide.ts';
import type { LoadedPolicy } from '../policy/load.ts';
import type { AdoptionRequest } from '../schemas/adoption.ts';
import type { Caller } from '../schemas/principal.ts';
import type { DeploymentStore } from '../store/deployments.ts';
import { adoptedSpec, ownerOf } from './adopted-spec.ts';
import { denied } from './denied.ts';
import type { Spec } from './spec.ts';

export interface Adoption {
  /**
   * What the live group says, as a spec: nothing of it is accepted yet. Azure is asked only where the caller may deploy to
   * the target. Throws 404 where there is no such group, 409 where it is another deployment's or cannot be expressed.
   */
  read(caller: Caller, asked: AdoptionRequest): Promise<Spec>;
}

export function createAdoption(parts: {
  documents: GroupDocuments;
  policy: () => LoadedPolicy;
  store: Pick<DeploymentStore, 'find'>;
}): Adoption {
  return {
    async read(caller, asked) {
      const decision = decide(parts.policy(), caller, emptyAsk(asked));
      if (!decision.allowed) throw denied(decision);
      const { team, target } = decision.plan;
      const document = await readGroup(parts.documents, { ...target, name: asked.name });
      const owner = ownerOf(document.tags);
      // With the same key it is asked for again; else the holder's name is told when it is to be accepted.
      const ours = owner === undefined ? null : await parts.store.find([team], idOf(owner));
      if (ours) return ours.spec;
      if (owner !== undefined) throw taken(asked.name, owner);
      requireSettled(document, asked.name);
      return adoptedSpec({ ...asked, team, target: target.name }, document);
    },
  };
}

/** A tag may say anything; what is no id is nobody's. */
const idOf = (owner: string) => ({
  id: /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(owner)
    ? owner
    : '00000000-0000-0000-0000-000000000000',
});

/** The team and the target alone. */
function emptyAsk({ team, target }: AdoptionRequest) {
  return {
    ...(team === undefined ? {} : { team }),
    ...(target === undefined ? {} : { target }),
    images: [],
    credentials: [],
    workloadSecrets: [],
    workloadIdentities: [],
    publicAddress: false,
    plainSecrets: [],
    subnets: [],
    workspaces: [],
    storageAccounts: [],
  };
}

type Place = Parameters<GroupDocuments['read']>[0];

async function readGroup(
  documents: GroupDocuments,
  { subscription, resourceGroup, name }: Place,
): Promise<GroupDocument> {
  try {
    const found = await documents.read({ subscription, resourceGroup, name });
    if (found) return found;
  } catch (error) {
    if (!(error instanceof AzureError)) throw error;
    throw createError('AzureUnavailable', `Azure Resource Manager did not show the group: ${error.message}`);
  }
  throw createError('NotFound', `Resource group '${resourceGroup}' has no container group '${name}'.`);
}

function taken(name: string, owner: string) {
  return createError(
    'ContainerGroupExists',
    `Container group '${name}' carries the tag of deployment ${owner}: another deployment has it, here or in another Slipway. Remove the tag first if nobody does.`,
  );
}

/** What moves may be something else in a moment, and what is stopped would be waited for. */
function requireSettled({ content }: GroupDocument, name: string): void {
  const properties = Object(content.properties);
  const state = properties.instanceView?.state;
  if (properties.provisioningState === 'Succeeded' && state !== 'Stopped') return;
  throw createError(
    'ContainerGroupNotAdoptable',
    `Container group '${name}' is ${state ?? properties.provisioningState}; adopt it once it runs or has ended.`,
  );
}
