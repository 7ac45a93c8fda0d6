import type { DeploymentRow, NewEvent } from '../store/deployments.ts';
import type { Move } from './move.ts';

/**
 * A move with what happened around its stage among its events: how far Resource Manager is, and what is waited for. Whoever
 * follows the events learns it there, and need not ask for the record again and again.
 */
export function withNews(row: DeploymentRow, move: Move, at: Date): Move {
  const { events = [] } = move;
  const news = [...armNews(row, move, at), ...events, ...waitNews(row, move, at)];
  return news.length === events.length ? move : { ...move, events: news };
}

function armNews(row: DeploymentRow, { patch }: Move, at: Date): NewEvent[] {
  const state = patch?.containerGroup?.provisioningState;
  if (row.settled || !state || state === row.containerGroup?.provisioningState) return [];
  return [{ at, source: 'Arm', type: state, message: `Container group '${row.name}' is ${state}` }];
}

/** Once for each reason; where the stage has said itself why nothing moves, that is enough. */
function waitNews(row: DeploymentRow, { patch, events = [] }: Move, at: Date): NewEvent[] {
  const wait = patch?.waitingFor;
  if (!wait || wait.reason === row.waitingFor?.reason || events.some(({ source }) => source === 'Slipway'))
    return [];
  const { reason, until, failure } = wait;
  const why = failure ? `; ${failure.code}: ${failure.detail}` : '';
  const message = `Waits for ${reason}${until ? ` until ${until}` : ''}${why}`;
  return [{ at, source: 'Slipway', type: 'Waiting', message, data: { reason } }];
}
