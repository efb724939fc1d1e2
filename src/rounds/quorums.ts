import { CID } from 'multiformats/cid'
import { hasQuorum } from '../record/index.ts'
import type { Message } from '../wire/index.ts'
import type { StakeSet } from './types.ts'

/**
 * More than two thirds of all stake approved one record in one attempt. Below a third of faults an attempt has at most one: an
 * honest node approves once in it.
 */
export interface Quorum {
  attempt: number
  cid: string
  /** When the approval that made it one was heard. */
  slot: number
  approvals: number
}

/** Who approved what in which attempt. A message costs the same however many there are. */
export interface Quorums {
  /** @param slot - in which the approval was first heard */
  add(message: Message, slot: number, stakes: StakeSet | null): void
  /**
   * Who provably approved two records in an attempt counts for every record of it: whichever two of its words reached a node, all
   * nodes see the same quorums.
   */
  addTwoFaced(signer: string, attempt: number, slot: number, stakes: StakeSet | null): void
  /** The stakes have become known: what was heard before is weighed. */
  weigh(stakes: StakeSet): void
  /** Of the highest attempt that has one. `before`: heard before that slot. */
  best(before?: number): Quorum | null
  /** The highest attempt in which a record got one. */
  of(cid: string): Quorum | null
  /** The most stake that approves one record in one attempt; 0n when nobody approves any. */
  most(): bigint
  /** Whether anybody approved any other record, heard before a slot. */
  hasRivals(cid: string, before: number): boolean
  /** Records that more than a third of the stake approves in one attempt, so somebody honest does; with those who approved no other. */
  backed(total: bigint): Array<{ cid: string; signers: () => string[] }>
}

/** One record in one attempt. */
interface Tally {
  attempt: number
  cid: string
  /** Who approved it and, as far as is known, no other, with the slot in which that was heard. */
  signers: Map<string, number>
  weight: bigint
  firstSlot: number
  hasQuorum: boolean
}

/** The two-faced are counted once for the attempt, not in each of its records: both may be many, and cost nothing to make. */
interface Attempt {
  tallies: Map<string, Tally>
  twoFaced: Map<string, number>
  weight: bigint
  /** No record of the attempt has had more than this of its own. */
  most: bigint
}

export function createQuorums(): Quorums {
  const attempts = new Map<number, Attempt>()
  const quorums: Quorum[] = []

  const attemptOf = (number: number): Attempt => {
    const attempt = attempts.get(number) ?? { tallies: new Map(), twoFaced: new Map(), weight: 0n, most: 0n }
    attempts.set(number, attempt)
    return attempt
  }
  const settle = (tally: Tally, { weight, twoFaced }: Attempt, slot: number, { total }: StakeSet) => {
    if (!tally.hasQuorum && hasQuorum(tally.weight + weight, total)) {
      tally.hasQuorum = true
      quorums.push({ attempt: tally.attempt, cid: tally.cid, slot, approvals: tally.signers.size + twoFaced.size })
    }
  }
  const weighIn = (tally: Tally, attempt: Attempt, signer: string, slot: number, stakes: StakeSet) => {
    tally.weight += stakes.weights.get(signer) ?? 0n
    if (tally.weight > attempt.most) {
      attempt.most = tally.weight
    }
    settle(tally, attempt, slot, stakes)
  }
  /** Counts for the attempt from now on, and for no record of it besides. */
  const weighTwoFaced = (attempt: Attempt, signer: string, slot: number, stakes: StakeSet) => {
    const weight = stakes.weights.get(signer) ?? 0n
    attempt.weight += weight
    if (hasQuorum(attempt.most + attempt.weight, stakes.total)) {
      for (const tally of attempt.tallies.values()) {
        settle(tally, attempt, slot, stakes)
      }
    }
  }
  const highest = (list: Quorum[]) =>
    list.reduce<Quorum | null>((best, one) => (best == null || one.attempt > best.attempt ? one : best), null)

  return {
    add({ signer, body }, slot, stakes) {
      const { cid: bytes, attempt: number } = body.approval!
      const cid = CID.decode(bytes).toString()
      const attempt = attemptOf(number)
      let tally = attempt.tallies.get(cid)
      if (tally == null) {
        tally = { attempt: number, cid, signers: new Map(), weight: 0n, firstSlot: slot, hasQuorum: false }
        attempt.tallies.set(cid, tally)
      }
      tally.firstSlot = Math.min(tally.firstSlot, slot)
      if (attempt.twoFaced.has(signer)) {
        if (stakes != null) {
          settle(tally, attempt, slot, stakes)
        }
      } else if (!tally.signers.has(signer)) {
        tally.signers.set(signer, slot)
        if (stakes != null) {
          weighIn(tally, attempt, signer, slot, stakes)
        }
      }
    },
    addTwoFaced(signer, number, slot, stakes) {
      const attempt = attemptOf(number)
      if (attempt.twoFaced.has(signer)) {
        return
      }
      attempt.twoFaced.set(signer, slot)
      for (const tally of attempt.tallies.values()) {
        if (tally.signers.delete(signer) && stakes != null) {
          tally.weight -= stakes.weights.get(signer) ?? 0n
        }
      }
      if (stakes != null) {
        weighTwoFaced(attempt, signer, slot, stakes)
      }
    },
    weigh(stakes) {
      quorums.length = 0
      for (const attempt of attempts.values()) {
        attempt.weight = 0n
        attempt.most = 0n
        const heard: Array<{ slot: number; count: () => void }> = []
        for (const tally of attempt.tallies.values()) {
          tally.weight = 0n
          tally.hasQuorum = false
          for (const [signer, slot] of tally.signers) {
            heard.push({ slot, count: () => weighIn(tally, attempt, signer, slot, stakes) })
          }
        }
        for (const [signer, slot] of attempt.twoFaced) {
          heard.push({ slot, count: () => weighTwoFaced(attempt, signer, slot, stakes) })
        }
        for (const { count } of heard.sort((a, b) => a.slot - b.slot)) {
          count()
        }
      }
    },
    best: (before = Number.POSITIVE_INFINITY) => highest(quorums.filter(({ slot }) => slot < before)),
    most() {
      let most = 0n
      for (const { tallies, weight } of attempts.values()) {
        for (const tally of tallies.values()) {
          most = tally.weight + weight > most ? tally.weight + weight : most
        }
      }
      return most
    },
    of: (cid) => highest(quorums.filter((quorum) => quorum.cid === cid)),
    hasRivals: (cid, before) =>
      [...attempts.values()].some(({ tallies }) => [...tallies.values()].some((tally) => tally.cid !== cid && tally.firstSlot < before)),
    backed: (total) =>
      [...attempts.values()]
        .filter(({ weight, most }) => 3n * (weight + most) > total)
        .flatMap(({ tallies, weight }) => [...tallies.values()].filter((tally) => 3n * (tally.weight + weight) > total))
        .map(({ cid, signers }) => ({ cid, signers: () => [...signers.keys()] }))
  }
}
