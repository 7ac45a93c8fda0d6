import { groups } from './groups.ts';

/** Measures one group in a process of its own, on the store that the environment names, and tells its rows. */
const group = groups[process.argv[2] ?? ''];
if (!group) throw new Error(`there is no '${process.argv[2]}'`);
process.send?.(await group.measure(), () => process.exit(0));
