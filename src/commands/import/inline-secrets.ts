import { isHarmlessValue, isSecretName } from '../../deployments/secret-names.ts';
import { canonicalRegistry } from '../../hosts.ts';
import { findSecretRule } from '../../http/inline-secrets.ts';
import { setCommand } from '../secret-command.ts';
import { isText } from './members.ts';

/** A value that stood in the file, or was to: where, under which name it belongs into Key Vault, and how it gets there. */
export interface InlineSecret {
  pointer: string;
  use: 'registry' | 'workload';
  secretName: string;
  server?: string;
  username?: string;
  /** Stores the value that comes from standard input. */
  command: string;
  note?: string;
}

export interface SecretNaming {
  vault: string;
  /** Names that were given: by registry, or by the place of the value. */
  given: ReadonlyMap<string, string>;
  /** The container group's. */
  group: string;
}

/** Collects what must move to Key Vault; each `add` answers the name to refer to it by. Values are never kept. */
export function createSecretList(naming: SecretNaming) {
  const found: InlineSecret[] = [];
  const add = (secret: Omit<InlineSecret, 'command'>, tags: Record<string, string> = {}): string => {
    const command = setCommand({ vault: naming.vault, secret: secret.secretName }, tags);
    found.push({ ...secret, command });
    return secret.secretName;
  };
  return {
    found,
    addRegistry(pointer: string, server: string, username: string | undefined): string {
      const registry = canonicalRegistry(server);
      const secretName = naming.given.get(server) ?? naming.given.get(registry) ?? `${wordOf(registry)}-pull`;
      const note =
        username === undefined ? 'No username: the value is {"username": ..., "password": ...}.' : null;
      return add(
        {
          ...{ pointer, use: 'registry', secretName, server: registry },
          ...(username === undefined ? {} : { username }),
          ...(note ? { note } : {}),
        },
        {
          'slipway-registry': registry,
          ...(username === undefined ? {} : { 'slipway-username': username }),
        },
      );
    },
    addWorkload(pointer: string, name: string, note?: string): string {
      const secretName =
        naming.given.get(name) ?? naming.given.get(pointer) ?? `${naming.group}-${wordOf(name)}`;
      return add({ pointer, use: 'workload', secretName, ...(note ? { note } : {}) });
    },
  };
}
export type SecretList = ReturnType<typeof createSecretList>;

/** As Key Vault takes a name. */
const wordOf = (text: string) =>
  text
    .replace(/[^A-Za-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .toLowerCase()
    .slice(0, 80) || 'secret';

/** A plain value that is a secret by its form or by its name. */
export const isPlainSecret = (name: string, value: unknown) =>
  isText(value) && (findSecretRule(value) !== null || (isSecretName(name) && !isHarmlessValue(name, value)));
