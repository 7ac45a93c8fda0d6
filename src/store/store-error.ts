/** A store that cannot be opened: the message says what to do. */
export class StoreError extends Error {
  override readonly name = 'StoreError';
  readonly sentence = true;
}
