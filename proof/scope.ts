/** What takes charge of the end of what is started: as a test does. */
export interface Scope {
  teardown(end: () => unknown): void;
}

/** Ends everything that was started within, the last first, however the work ends. */
export async function within<T>(work: (scope: Scope) => Promise<T>): Promise<T> {
  await using ends = new AsyncDisposableStack();
  return await work({
    teardown: end =>
      ends.defer(async () => {
        await end();
      }),
  });
}
