import type { IncomingHttpHeaders } from 'node:http';
import { createError } from '../errors.ts';
import { actForUser } from '../policy/principals.ts';
import type { Caller } from '../schemas/principal.ts';
import { invalid } from './problems.ts';

/** `<issuer>|<subject>`, visible characters; a subject may have bars of its own. Two headers come joined by `, `. */
const form = /^[\x21-\x7b\x7d\x7e]{1,255}\|[\x21-\x7e]{1,255}$/;

/** The caller as he asks: himself, or a portal for one of its users. Throws 403 for everybody else who says so, 400 for what is not of the form. */
export function askingAs(caller: Caller, headers: IncomingHttpHeaders): Caller {
  const user = headers['on-behalf-of'];
  if (user === undefined) return caller;
  if (caller.actsForUsersIn === undefined)
    throw createError(
      'PermissionDenied',
      'On-Behalf-Of is for portals that the policy lets act for their users (`actsForUsers`); leave it out.',
    );
  if (typeof user !== 'string' || !form.test(user))
    throw invalid([
      {
        pointer: 'On-Behalf-Of',
        detail: 'is not of the form ISSUER|SUBJECT, each of 1 to 255 visible characters',
      },
    ]);
  return actForUser(caller, user);
}
