import type { Migration } from 'kysely/migration';
import * as start from './migrations/0001-start.ts';
import * as policies from './migrations/0002-policies.ts';
import * as teamsAsWalls from './migrations/0003-teams-as-walls.ts';
import * as auditChain from './migrations/0004-audit-chain.ts';
import * as portals from './migrations/0005-portals.ts';
import * as eventOrder from './migrations/0010-event-order.ts';
import * as changes from './migrations/0020-changes.ts';
import * as rotations from './migrations/0021-rotations.ts';
import * as order from './migrations/0022-order.ts';
import * as pacing from './migrations/0030-pacing.ts';
import * as looks from './migrations/0031-looks.ts';
import * as turns from './migrations/0031-turns.ts';
import * as savedLogs from './migrations/0032-saved-logs.ts';
import * as traces from './migrations/0060-traces.ts';
import * as workloadSecrets from './migrations/0070-workload-secrets.ts';
import * as retention from './migrations/0080-retention.ts';
import * as following from './migrations/0090-following.ts';

/** In the order of their names; what has landed is never changed. */
export const migrations: Record<string, Migration> = {
  '0001-start': start,
  '0002-policies': policies,
  '0003-teams-as-walls': teamsAsWalls,
  '0004-audit-chain': auditChain,
  '0005-portals': portals,
  '0010-event-order': eventOrder,
  '0020-changes': changes,
  '0021-rotations': rotations,
  '0022-order': order,
  '0030-pacing': pacing,
  '0031-turns': turns,
  '0031-looks': looks,
  '0032-saved-logs': savedLogs,
  '0060-traces': traces,
  '0070-workload-secrets': workloadSecrets,
  '0080-retention': retention,
  '0090-following': following,
};
