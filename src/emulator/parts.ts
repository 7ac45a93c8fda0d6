import type { FastifyInstance } from 'fastify';
import type { Clock } from './clock.ts';
import type { Limits } from './limits/limits.ts';
import type { World, WorldMap } from './world.ts';

/** What every service of the embedded Azure works with. */
export interface Parts {
  world: World;
  clock: Clock;
  limits: Limits;
  tier: 'simulated' | 'registry';
  /** Says which entry changed, or that anything may have: it is kept under `--data` before the next answer leaves. */
  changed(map?: WorldMap, key?: string): void;
  tokens: Tokens;
  /**
   * Asks another host as a client would: the embedded ones through this process's own HTTPS door, those named in
   * `EMULATOR_REGISTRIES` where they really are. Any other host does not exist (`code: 'ENOTFOUND'`).
   */
  fetch(
    url: string,
    init?: { method?: string; headers?: Record<string, string>; body?: string },
  ): Promise<Answer>;
}

export interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: Buffer;
}

/** Issues and checks the tokens of the embedded Entra ID. */
export interface Tokens {
  /** Who a bearer token speaks for, or null where it is not one of ours, not for this audience, or not valid now. */
  verify(token: string, audiences: string[]): Promise<{ clientId: string; principalId: string } | null>;
}

/** The life of container groups, which goes on by itself. */
export interface ContainerGroups {
  /** Nothing happens to any group from now on, until `resume`. */
  stop(): void;
  /** Every group of the world goes on from where it stands. */
  resume(): void;
  /** `POST /_emulator/lives`: prescribes a life; throws a sentence where `description` is none. */
  lives?(description: unknown): void;
}

/** A service answers for its hosts; the door picks it by `Host`. */
export interface Service {
  name: string;
  answersFor(host: string): boolean;
  app: FastifyInstance;
}
