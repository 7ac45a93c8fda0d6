import { readFileSync } from 'node:fs';

/** CPU time of a process since its start, in milliseconds. */
export function cpuMsOf(pid: number | undefined): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  // In ticks of a hundredth of a second, on every Linux.
  return (Number(fields[11]) + Number(fields[12])) * 10;
}
