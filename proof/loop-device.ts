import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryDirectory } from '../test/support/service.ts';
import type { Scope } from './scope.ts';

/** A file system in a file: what its file holds is what a disk would have when the power goes. */
export interface LoopDevice {
  /** Where it is mounted. */
  directory: string;
  /** The same at this moment as its disk has it, what was not synced left out; mounted elsewhere until its scope ends. */
  copy(scope: Scope): LoopDevice;
}

const size = '1G';

/** An empty ext4. Throws where loop devices are not allowed. */
export function createLoopDevice(scope: Scope): LoopDevice {
  const image = join(temporaryDirectory(scope), 'image');
  run('truncate', '--size', size, image);
  run('mkfs.ext4', '-q', '-F', image);
  return mount(scope, image);
}

function mount(scope: Scope, image: string): LoopDevice {
  const directory = `${image}.mounted`;
  mkdirSync(directory);
  // Nothing is written out because some seconds have passed: only what is synced.
  run('mount', '-o', 'loop,commit=300', image, directory);
  scope.teardown(() => run('umount', directory));
  return {
    directory,
    copy(scope) {
      const copied = join(temporaryDirectory(scope), 'image');
      run('cp', '--sparse=always', image, copied);
      return mount(scope, copied);
    },
  };
}

function run(command: string, ...args: string[]): void {
  execFileSync(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
}
