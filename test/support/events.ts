import { createEvents, type Events } from '../../src/deployments/events.ts';
import type { Deployment, TeamEvent } from '../../src/schemas/deployment.ts';
import { subscribe } from '../../src/store/watch.ts';

interface EventSource {
  events: Events;
  /** How many events were read. */
  read: number;
  settled: boolean;
  /** How many follow. */
  following(): number;
  append(...messages: string[]): void;
  wake(): void;
}

/** Events in memory, of one deployment that is all that its team has. */
export function createEventSource(deployment: Pick<Deployment, 'id' | 'team' | 'name'>): EventSource {
  const all: TeamEvent[] = [];
  const waiting = new Map<string, Set<() => void>>();
  const page = ({ after, size }: { after: number; size: number }) => {
    const value = all.slice(after, after + size);
    source.read += value.length;
    return { value, more: all.length > after + size };
  };
  const source: EventSource = {
    read: 0,
    settled: false,
    following: () => [...waiting.values()].flatMap(waiters => [...waiters]).length,
    append(...messages) {
      for (const message of messages) {
        const seq = all.length + 1;
        const at = new Date(1_800_000_000_000 + seq).toISOString();
        const event = { seq, at, source: 'Aci' as const, type: 'Pulling', message };
        all.push({ position: seq, team: deployment.team, deployment: deployment.id, ...event });
      }
      source.wake();
    },
    wake() {
      for (const waiters of waiting.values()) for (const wake of waiters) wake();
    },
    events: createEvents({
      store: {
        async find(teams, ref) {
          const known = 'id' in ref ? ref.id === deployment.id : ref.name === deployment.name;
          const visible = teams === 'all' || teams.includes(deployment.team);
          return known && visible ? ({ ...deployment, ...stateOf(source.settled) } as Deployment) : null;
        },
        async events(_teams, _id, place) {
          const { value, more } = page(place);
          return { value: value.map(({ position: _, team: __, deployment: ___, ...event }) => event), more };
        },
        teamEvents: async (_teams, _team, place) => page(place),
        lastPosition: async () => all.length,
        lastPositions: async () => new Map([[deployment.team, all.length]]),
      },
      watch: { subscribe: to => subscribe(waiting, 'id' in to ? to.id : deployment.team) },
    }),
  };
  return source;
}

const stateOf = (settled: boolean) => ({
  settled,
  status: settled ? ('Running' as const) : ('Provisioning' as const),
  health: 'Healthy' as const,
  operation: 'operation',
});
