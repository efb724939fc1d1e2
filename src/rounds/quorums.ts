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
  /** Whether anybody approved any other record, heard before a slot. */
  hasRivals(cid: string, before: number): boolean
  /** Records that more than a third of the stake approves in one attempt, so somebody honest does; with those who do. */
  backed(total: bigint): Array<{ cid: string; signers: string[] }>
}

interface Tally {
  attempt: number
  cid: string
  /** With the slot in which each was heard, in the order of being heard. */
  signers: Map<string, number>
  weight: bigint
  firstSlot: number
  quorum: Quorum | null
}

export function createQuorums(): Quorums {
  const tallies = new Map<string, Tally>()
  const twoFaced = new Map<number, Map<string, number>>()

  const count = (tally: Tally, signer: string, slot: number, stakes: StakeSet | null) => {
    if (tally.signers.has(signer)) {
      return
    }
    tally.signers.set(signer, slot)
    if (stakes != null) {
      weighIn(tally, signer, slot, stakes)
    }
  }
  const weighIn = (tally: Tally, signer: string, slot: number, { weights, total }: StakeSet) => {
    tally.weight += weights.get(signer) ?? 0n
    if (tally.quorum == null && hasQuorum(tally.weight, total)) {
      tally.quorum = { attempt: tally.attempt, cid: tally.cid, slot, approvals: tally.signers.size }
    }
  }
  const quorums = () => [...tallies.values()].flatMap(({ quorum }) => quorum ?? [])
  const highest = (list: Quorum[]) =>
    list.reduce<Quorum | null>((best, one) => (best == null || one.attempt > best.attempt ? one : best), null)

  return {
    add({ signer, body }, slot, stakes) {
      const { cid: bytes, attempt } = body.approval!
      const cid = CID.decode(bytes).toString()
      const key = `${attempt}/${cid}`
      let tally = tallies.get(key)
      if (tally == null) {
        tally = { attempt, cid, signers: new Map(), weight: 0n, firstSlot: slot, quorum: null }
        tallies.set(key, tally)
        for (const [other, heard] of twoFaced.get(attempt) ?? []) {
          count(tally, other, Math.max(heard, slot), stakes)
        }
      }
      tally.firstSlot = Math.min(tally.firstSlot, slot)
      count(tally, signer, slot, stakes)
    },
    addTwoFaced(signer, attempt, slot, stakes) {
      const known = twoFaced.get(attempt) ?? new Map<string, number>()
      twoFaced.set(attempt, known)
      if (!known.has(signer)) {
        known.set(signer, slot)
        for (const tally of tallies.values()) {
          if (tally.attempt === attempt) {
            count(tally, signer, slot, stakes)
          }
        }
      }
    },
    weigh(stakes) {
      for (const tally of tallies.values()) {
        tally.weight = 0n
        tally.quorum = null
        for (const [signer, slot] of tally.signers) {
          weighIn(tally, signer, slot, stakes)
        }
      }
    },
    best: (before = Number.POSITIVE_INFINITY) => highest(quorums().filter(({ slot }) => slot < before)),
    of: (cid) => highest(quorums().filter((quorum) => quorum.cid === cid)),
    hasRivals: (cid, before) => [...tallies.values()].some((tally) => tally.cid !== cid && tally.firstSlot < before),
    backed: (total) =>
      [...tallies.values()].filter(({ weight }) => 3n * weight > total).map(({ cid, signers }) => ({ cid, signers: [...signers.keys()] }))
  }
}
