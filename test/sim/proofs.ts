/** Proofs as a model: what a submission's proof is worth, and who can have it when. */
import type { Finding } from '../../src/wire/index.ts'

/** good: every audit says valid; bad: every audit says invalid; missing: nobody gets it. */
export type Quality = 'good' | 'bad' | 'missing'

export interface Offer {
  author: number
  quality: Quality
  /** Whom the author serves at a time; everybody when left out. Who has it serves it on. */
  servedTo?: ((node: number, at: number) => boolean) | undefined
}

export interface SimProofs {
  /** Says what stands behind a submission: the ground truth. */
  offer(submission: string, offer: Offer): void
  truth(submission: string): Offer | undefined
  /** What an audit finds now; null while the proof does not come. */
  look(submission: string, node: number, at: number): Extract<Finding, 'valid' | 'invalid'> | null
}

export function createProofs(reaches: (from: number, to: number) => boolean): SimProofs {
  const offers = new Map<string, Offer>()
  const holders = new Map<string, Set<number>>()
  return {
    offer(submission, offer) {
      if (!offers.has(submission)) {
        offers.set(submission, offer)
      }
    },
    truth: (submission) => offers.get(submission),
    look(submission, node, at) {
      const offer = offers.get(submission)
      if (offer == null || offer.quality === 'missing') {
        return null
      }
      const having = holders.get(submission) ?? new Set<number>()
      const served =
        (offer.servedTo?.(node, at) ?? true) && reaches(offer.author, node) && reaches(node, offer.author)
          ? true
          : having.has(node) || [...having].some((other) => reaches(other, node) && reaches(node, other))
      if (!served) {
        return null
      }
      holders.set(submission, having.add(node))
      return offer.quality === 'good' ? 'valid' : 'invalid'
    }
  }
}
