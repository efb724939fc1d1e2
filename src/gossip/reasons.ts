/**
 * Why a message is not taken, and what that means for the peer that brought it. `reject` costs the peer score: it must
 * have known. `ignore` costs nothing: it may be our own clock, our own view of K2, or the order in which things came.
 * Spec: protocols/gossip/README.md, "Validation"; a test compares the two tables.
 */
export const REASONS = {
  /** The relaying peer speaks for no stake, or was cut. */
  'not-admitted': 'ignore',
  'too-large': 'reject',
  malformed: 'reject',
  /** K2 was not read yet, so nothing can be judged. */
  'no-slot': 'ignore',
  future: 'ignore',
  old: 'ignore',
  /** The signed slot does not lie in the window of its kind and cycle: whoever relays it could see that. */
  'wrong-window': 'reject',
  'stake-unknown': 'ignore',
  unstaked: 'reject',
  seen: 'ignore',
  /** Others may have seen other messages of the same signer first. */
  'over-quota': 'ignore',
  'bad-signature': 'reject',
  meaningless: 'reject',
  'pool-full': 'ignore',
  /** Something of ours threw. */
  'own-fault': 'ignore'
} as const satisfies Record<string, 'ignore' | 'reject'>

export type Reason = keyof typeof REASONS
export const REASON_NAMES = Object.keys(REASONS) as Reason[]
