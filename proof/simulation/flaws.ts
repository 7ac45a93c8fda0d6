/** Defects that the ports can be given: the simulation must find each. */
export const flaws = {
  unfencedSettle: 'who lost his claim may write',
  lostJob: 'a move is saved without the job that goes on',
  forgottenKey: 'an idempotency key is not kept',
  deafSettle: 'a change that was accepted meanwhile is not seen',
  twiceEnded: 'an operation that has ended ends again',
  endlessClaim: 'a dead worker keeps his claim',
  lostRevisionTag: 'ARM is sent a group without the tag of its revision',
  blindGet: 'a group that is there is at times not found',
  politeDelete: 'a deletion that ARM refused counts as done',
  unpaced: 'places in the limits of Azure are given to all who ask',
  unscrubbed: 'what a registry says is told as it came',
} as const;

export type Flaw = keyof typeof flaws;
export type Flaws = ReadonlySet<Flaw>;
