import { readdirSync, readFileSync } from 'node:fs';

/** CPU time of the threads that a process has, in milliseconds. */
export function cpuMsOf(pid: number | undefined): number {
  const tasks = `/proc/${pid}/task`;
  // In nanoseconds; the ticks of a hundredth of a second in `stat` are too coarse for a short turn.
  const spent = readdirSync(tasks).map(task => readFileSync(`${tasks}/${task}/schedstat`, 'utf8'));
  return spent.reduce((sum, text) => sum + Number(text.split(' ')[0]) / 1e6, 0);
}
