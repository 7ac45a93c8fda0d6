import { command } from '../command.ts';
import { fix, secretCommand } from '../failure.ts';
import type { Words } from './advice.ts';

/** What Slipway itself decides, and who changed his mind: where a stage says no more. */
export const ownWords: Words = {
  CredentialNotBoundToRegistry: ({ secret, registry }) => ({
    detail:
      'The secret is bound to another registry, or its present version to none: tags belong to a version.',
    fixes: [
      fix(
        'caller',
        'Store it as a new version with the tags that bind it, or let the policy bind it',
        secretCommand(secret?.vault || 'VAULT', secret?.secretName ?? 'SECRET', registry, secret?.username),
      ),
    ],
  }),
  SecretBoundToRegistry: () => ({
    detail: 'The secret is bound to a registry, so it is no secret of the workload.',
    fixes: [fix('caller', 'Name a secret of the workload, or take the registry tags from it')],
  }),
  ContainerGroupExists: names => ({
    detail: `A container group '${names.group}' exists that carries no tag of this deployment: it is left as it is.`,
    fixes: [
      fix(
        'caller',
        'Take another name, adopt the group, or delete it if nobody needs it',
        command`az container show --resource-group ${names.resourceGroup} --name ${names.group} --output table`,
      ),
    ],
  }),
  ContainerGroupGone: names => ({
    detail: `Container group '${names.group}' disappeared while it was being deployed.`,
    fixes: [
      fix(
        'caller',
        'Find out who deleted it, then deploy again',
        command`az monitor activity-log list --resource-group ${names.resourceGroup} --output table`,
      ),
    ],
  }),
  PolicyRevoked: () => ({
    detail: 'The policy that was in use when the deployment went on no longer allows it.',
    fixes: [fix('caller', 'Ask who keeps the policy; GET /options tells what may be used now')],
  }),
  Canceled: () => ({
    detail: 'Somebody canceled the change before it was over; the audit says who.',
    fixes: [fix('caller', 'Deploy again, if it was not meant')],
  }),
  CancelTooLate: () => ({
    detail: 'Azure had the change already when it was to be canceled.',
    fixes: [fix('caller', 'Roll back instead: POST /deployments/{id}/rollback')],
  }),
  Superseded: () => ({
    detail: 'A later change was asked for with onBusy=supersede, and took the place of this one.',
    fixes: [fix('caller', 'Look at the later operation of the deployment')],
  }),
};
