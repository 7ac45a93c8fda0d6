import type { Parts } from '../parts.ts';
import type { RoleAssignment } from '../world.ts';

type Spread = Pick<Parts, 'world' | 'clock' | 'limits' | 'changed'>;

/** Assignments, and their end, take effect after a while: at once unless a test says otherwise. */
export interface Propagation {
  begin(made: RoleAssignment): void;
  end(found: RoleAssignment): void;
}

/** What was still to come when the world was kept goes on. */
export function createPropagation(parts: Spread): Propagation {
  const { world, clock, limits, changed } = parts;
  const key = ({ id }: RoleAssignment) => id.toLowerCase();
  const isThere = (each: RoleAssignment) => world.roleAssignments[key(each)] === each;

  function awaitCome(made: RoleAssignment, moment: number): void {
    clock.at(moment, () => {
      if (!isThere(made)) return;
      delete made.comesAt;
      changed('roleAssignments', key(made));
    });
  }
  function awaitGo(found: RoleAssignment, moment: number): void {
    clock.at(moment, () => {
      if (!isThere(found)) return;
      delete world.roleAssignments[key(found)];
      changed('roleAssignments', key(found));
    });
  }

  for (const each of Object.values(world.roleAssignments)) {
    if (each.comesAt !== undefined) awaitCome(each, each.comesAt);
    if (each.goesAt !== undefined) awaitGo(each, each.goesAt);
  }
  const moment = () => clock.now() + limits.settings().roleAssignments.effectAfterMs;
  return {
    begin(made) {
      world.roleAssignments[key(made)] = made;
      changed('roleAssignments', key(made));
      if (moment() <= clock.now()) return;
      made.comesAt = moment();
      awaitCome(made, made.comesAt);
    },
    end(found) {
      found.goesAt = moment();
      changed('roleAssignments', key(found));
      awaitGo(found, found.goesAt);
    },
  };
}
