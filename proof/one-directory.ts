import { startDemoWorld } from '../test/support/demo-world.ts';
import { createCaller, startProcess } from '../test/support/service.ts';
import { createFigure, type Row, sentenceOf } from './row.ts';
import { within } from './scope.ts';

/** A second process on one data directory is refused with a sentence, also right after a kill; the first goes on. */
export async function proveOneDirectory(): Promise<Row[]> {
  const figure = createFigure('two processes on one data directory: the second is refused', 2);
  await within(async scope => {
    const world = await startDemoWorld(scope, { search: false });
    const env = { ...world.env, DATABASE_URL: undefined };
    const token = await world.token();
    for (const point of ['beside a first', 'beside one that was started after a kill']) {
      const first = await startProcess(scope, ['src/main.ts'], env);
      const second = await startProcess(scope, ['src/main.ts'], env).then(
        () => 'it started',
        error => sentenceOf(error),
      );
      const { status } = await createCaller(first.url, token)('GET', '/deployments');
      figure.reached(point, [
        ...(/Another Slipway uses/.test(second) ? [] : [`the second said: ${second}`]),
        ...(status === 200 ? [] : [`the first answers ${status}`]),
      ]);
      await first.stop('SIGKILL');
    }
  }).catch(error => figure.missed('a process', error));
  return [figure.row()];
}
