import type { Plan } from '../policy/decide.ts';
import type { PlanDecision, PlannedQuota } from '../schemas/plan.ts';
import type { QuotaUse } from '../store/quota.ts';
import { type Spec, sizeOf } from './spec.ts';

/** What policy allowed, and with what. */
export function decisionsOf(plan: Plan): PlanDecision[] {
  const { target, registries, workloadSecrets, workloadIdentities, subnets } = plan;
  return [
    {
      subject: 'target',
      name: target.name,
      detail: `resource group ${target.resourceGroup} in ${target.location}`,
    },
    ...registries.map(planned => ({
      subject: 'registry' as const,
      name: planned.host,
      detail: credentialOf(planned),
    })),
    ...workloadSecrets.map(({ secretName, vault }) => ({
      subject: 'workloadSecret' as const,
      name: secretName,
      detail: `of vault ${vault.name}`,
    })),
    ...workloadIdentities.map(name => ({
      subject: 'workloadIdentity' as const,
      name,
      detail: 'attached to the group',
    })),
    ...subnets.map(name => ({ subject: 'subnet' as const, name, detail: 'the group joins it' })),
  ];
}

function credentialOf(planned: Plan['registries'][number]): string {
  switch (planned.kind) {
    case 'anonymous':
      return 'without a credential';
    case 'identity':
      return `with identity ${planned.id}`;
    case 'secret':
      return `with secret ${planned.secretName} of vault ${planned.vault.name}`;
  }
}

const kinds = ['groups', 'cpu', 'memoryInGB', 'deploysPerHour'] as const;

/** What the team has, and what this takes more. */
export function quotaOf(
  limits: Plan['quota'],
  used: QuotaUse,
  wanted: Spec,
  present: Spec | null,
): PlannedQuota[] {
  const size = sizeOf(wanted);
  const has = present ? sizeOf(present) : { cpu: 0, memoryInGB: 0 };
  const asked = {
    groups: present ? 0 : 1,
    cpu: Math.max(0, size.cpu - has.cpu),
    memoryInGB: Math.max(0, size.memoryInGB - has.memoryInGB),
    deploysPerHour: 1,
  };
  return kinds.map(which => {
    const limit = limits[which] ?? null;
    const exceeded = limit !== null && asked[which] > 0 && used[which] + asked[which] > limit + 1e-6;
    return { which, used: used[which], asked: asked[which], limit, exceeded };
  });
}
