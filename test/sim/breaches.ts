/** The promises of the protocol, by what breaks them. */

/** Each names the promise that was broken. */
export const BREACHES = {
  'honest-rejected': 'an honest, available submission was rejected',
  'honest-left-out': 'an honest submission that was in time is not in the record of a calm cycle',
  'bad-accepted': 'a bad or missing submission that an honest staker sampled was accepted',
  'late-accepted': 'a submission was accepted that every honest node heard too late',
  'cut-off-accuses': 'an honest node that could not reach more than a third of the stake called honest work unavailable',
  'honest-slashed': 'an honest staker was slashed',
  'took-more': 'a faulty staker was paid more than its share',
  contradiction: 'an honest node wanted to say two things where one may be said',
  'two-records': 'two records of one cycle were finalized',
  'not-finalized': 'a calm cycle with more than two thirds honest and up, and an honest proposer in it, was not finalized',
  'turn-lost': 'a calm cycle was not finalized in the first turn of an honest proposer',
  'honest-refused': 'an honest node refused the record of an honest proposer in a calm cycle',
  'unreadable-record': 'a finalized record does not read back',
  'record-too-large': 'a record is larger than the stakers may make it',
  'wrong-vote': 'an honest node was bound to a vote for another record than the one that was finalized',
  'wrong-pay': 'what a record pays is not what the stakes come to that are fixed for its cycle, or one stake is counted twice',
  'wrong-stakes': 'an honest node went by other stakes than those that are fixed for the cycle, and did not notice',
  'halves-apart': 'an honest node cannot prove an equivocation, though both halves were with honest nodes and time has passed',
  'bad-evidence': 'evidence of an honest node does not convict, or convicts somebody honest',
  'not-convicted': 'an equivocation that all honest nodes could prove in time is in no record',
  'punished-twice': 'one equivocation is punished in two records',
  'equivocator-counts': 'the work, the words or the pay of an equivocator count in the record that convicts it',
  'always-first': 'a faulty staker proposes first again and again, against all chance'
} as const

export type BreachName = keyof typeof BREACHES

export interface Breach {
  name: BreachName
  cycle: number
  detail: string
}
