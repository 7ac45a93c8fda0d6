import type { Fix } from '../../schemas/failure.ts';
import { command } from '../command.ts';
import { fix } from '../failure.ts';
import type { Words } from './advice.ts';
import type { Names } from './names.ts';
import { type Condition, coded } from './rule.ts';

/** Azure Resource Manager: rights, limits, changes. */
export const azureWords: Words = {
  AuthorizationFailed: names => ({
    fixes: [
      fix(
        'platform',
        `Give Slipway's identity its role on resource group '${names.resourceGroup}'`,
        command`az role assignment create --role Contributor --assignee-object-id SLIPWAY_PRINCIPAL_ID --assignee-principal-type ServicePrincipal --resource-group ${names.resourceGroup}`,
      ),
    ],
  }),
  SubnetJoinDenied: (names, { said }) => ({
    detail: `Slipway's own identity may not join '${names.group}' to the subnet.`,
    fixes: [
      fix(
        'platform',
        'Give it the role Network Contributor on the subnet',
        command`az role assignment create --role "Network Contributor" --assignee-object-id SLIPWAY_PRINCIPAL_ID --assignee-principal-type ServicePrincipal --scope ${subnetIn(said)}`,
      ),
    ],
  }),
  QuotaExceeded: () => ({
    fixes: [
      fix(
        'platform',
        'Deploy in another location, delete groups, or ask Azure for more',
        'az container list --output table',
      ),
    ],
  }),
  RegionCapacity: () => ({
    fixes: [fix('platform', 'Deploy again later, in another location, or with fewer cores')],
  }),
  SpotUnavailable: () => ({
    fixes: [fix('caller', 'Leave priority at Regular, or ask for what spot groups may have')],
  }),
  OsNotSupported: names => ({
    fixes: [fix('caller', `Deploy ${names.image} on a base that Azure supports, or correct osType`)],
  }),
  GroupTransitioning: names => ({
    detail: `Container group '${names.group}' is still changing.`,
    fixes: [
      fix(
        'platform',
        'Wait a minute and try again',
        command`az container show --resource-group ${names.resourceGroup} --name ${names.group} --query provisioningState`,
      ),
    ],
  }),
  RequiresReplacement: names => ({
    detail: `Azure cannot change container group '${names.group}' in place: ${names.said}`,
    fixes: [fix('caller', 'Delete the deployment and create it again')],
  }),
  DnsNameLabelTaken: () => ({ fixes: [fix('caller', 'Take another ipAddress.dnsNameLabel')] }),
  ArmThrottled: () => ({ fixes: [fix('platform', 'Deploy again after the time that Azure asks for')] }),
  ArmUnavailable: () => ({
    fixes: [fix('platform', 'Look at the health of Azure in this region, then deploy again')],
  }),
  EntraUnavailable: () => ({
    fixes: [fix('platform', 'See to the identity that Slipway runs with, and to its secret or certificate')],
  }),
  VaultUnavailable: () => ({
    fixes: [fix('platform', 'Look at the health of the vault, then deploy again')],
  }),
  ProvisioningTimeout: names => ({
    detail: `Container group '${names.group}' was not ready in time.`,
    fixes: [showGroup(names)],
    causes: [
      'the image is large or its registry slow',
      'the region has no room',
      'a container does not start',
    ],
  }),
  Unknown: (names, signs) => ({
    detail: names.said || 'Azure gave no reason.',
    fixes: [refusals.find(({ when }) => when(signs))?.fix(names) ?? showGroup(names)],
  }),
};

/** What Resource Manager refuses to everybody, whatever the resource: no failure of ours, and yet there is a way out. */
const refusals: readonly { when: Condition; fix: (names: Names) => Fix }[] = [
  {
    when: coded('ResourceGroupNotFound'),
    fix: ({ resourceGroup }) =>
      fix(
        'platform',
        `Create resource group '${resourceGroup}', or correct the target in the policy`,
        command`az group create --name ${resourceGroup} --location LOCATION`,
      ),
  },
  {
    when: coded('SubscriptionNotFound', 'InvalidSubscriptionId', 'ReadOnlyDisabledSubscription'),
    fix: () =>
      fix(
        'platform',
        'Correct the subscription of the target in the policy, or enable it',
        'az account list --query "[].{id:id, state:state}" --output table',
      ),
  },
  {
    when: coded('MissingSubscriptionRegistration', 'SubscriptionNotRegistered'),
    fix: ({ said }) =>
      fix(
        'platform',
        'Register the resource provider in the subscription',
        command`az provider register --namespace ${/namespace '([\w.]+)'/.exec(said)?.[1] ?? 'Microsoft.ContainerInstance'} --wait`,
      ),
  },
  {
    when: coded('RequestDisallowedByPolicy'),
    fix: ({ resourceGroup }) =>
      fix(
        'platform',
        'See which assignment of Azure Policy forbids it, and ask who keeps it',
        command`az policy assignment list --resource-group ${resourceGroup} --disable-scope-strict-match --output table`,
      ),
  },
  {
    when: coded('ScopeLocked'),
    fix: ({ resourceGroup }) =>
      fix(
        'platform',
        'See which lock holds it, and ask who set it',
        command`az lock list --resource-group ${resourceGroup} --output table`,
      ),
  },
];

const subnetIn = (said: string) =>
  /\/subscriptions\/[\w./-]+\/subnets\/[\w.-]*\w(?!\/join)/.exec(said)?.[0] ?? 'SUBNET_ID';

const showGroup = ({ resourceGroup, group }: Names) =>
  fix(
    'platform',
    'Look at what Azure says of the group',
    command`az container show --resource-group ${resourceGroup} --name ${group} --query instanceView --output json`,
  );
