/**
 * Why a message is not taken, and what that means for the peer that brought it. `reject` costs the peer score: it must
 * have known. `ignore` costs nothing: it may be our own clock, our own view of K2, or the order in which things came.
 * Spec: protocols/gossip/README.md, "Validation"; a test compares the two tables.
 */
export const REASONS = {
  /** The relaying peer speaks for no stake, or was cut. */
  'not-admitted': 'ignore',
  /** Its RPC has from, seqno, signature or key: the router refuses it, and the judge never sees it. */
  'signed-by-router': 'reject',
  'too-large': 'reject',
  malformed: 'reject',
  /** K2 was not read yet, so nothing can be judged. */
  'no-slot': 'ignore',
  future: 'ignore',
  old: 'ignore',
  /** The signed slot does not lie in the window of its kind and cycle, by the task's times as our endpoint of K2 tells them. */
  'wrong-window': 'ignore',
  'stake-unknown': 'ignore',
  /** An endpoint of K2 that lies must not make us punish our peers. */
  unstaked: 'ignore',
  seen: 'ignore',
  /** Others may have seen other messages of the same signer first. */
  'over-quota': 'ignore',
  /** It is about a submission that is not here: it comes again by sync when that is. */
  'unknown-subject': 'ignore',
  'bad-signature': 'reject',
  meaningless: 'reject',
  /** Something of ours threw. */
  'own-fault': 'ignore'
} as const satisfies Record<string, 'ignore' | 'reject'>

export type Reason = keyof typeof REASONS
export const REASON_NAMES = Object.keys(REASONS) as Reason[]
