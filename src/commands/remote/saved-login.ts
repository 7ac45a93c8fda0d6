import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

type Env = Record<string, string | undefined>;

/** What `slipway login` keeps: where and how, never a token. */
export interface SavedLogin {
  url?: string;
  audience?: string;
  with?: string;
  team?: string;
}

export const loginFile = (env: Env) =>
  join(env.XDG_CONFIG_HOME || join(homedir(), '.config'), 'slipway', 'login.json');

export function readLogin(env: Env): SavedLogin {
  try {
    const read: unknown = JSON.parse(readFileSync(loginFile(env), 'utf8'));
    return typeof read === 'object' && read !== null ? read : {};
  } catch {
    return {};
  }
}

export function saveLogin(env: Env, login: SavedLogin): void {
  mkdirSync(dirname(loginFile(env)), { recursive: true, mode: 0o700 });
  writeFileSync(loginFile(env), `${JSON.stringify(login, null, 2)}\n`, { mode: 0o600 });
}
