import type { CID } from 'multiformats/cid'
import { messageOf } from '../k2/errors.ts'
import type { Logger } from '../observe/index.ts'
import { type Ledger, providesRecord, type RecordContent } from '../record/index.ts'
import type { StakeSet } from '../rounds/index.ts'
import type { CycleLog } from '../store/index.ts'
import type { Blocks } from './ports.ts'
import type { Records } from './records.ts'

/** What a finalized cycle came to for this node, as it is kept and told. Amounts in ROE. */
export interface SettledCycle {
  cycle: number
  /** CID */
  record: string
  /** `accepted`, `no submission`, why it was rejected, or `not known`: K2 tells the stakes of the last cycles alone. */
  outcome: string
  /** What was found, in the words of who found it. */
  reason?: string
  paid: string
  /** All that was ever paid to this staker. */
  total: string
}

export interface SettledInit {
  task: string
  /** Our staking key. */
  self: string
  /** Whose account the money goes to. */
  staker: () => string
  records: Records
  stakesAt: (cycle: number) => Promise<StakeSet>
  blocks: Pick<Blocks, 'pin'>
  cycles: CycleLog
  /** Told of the ledger that is the newest: what it says that stakers have lost is K2's to take. */
  onLedger: (cycle: number, ledger: Ledger) => void
  /** The most cycles that are told again after an absence. */
  most: number
  signal: AbortSignal
  log: Logger
  onSettled: (settled: SettledCycle) => void
  /** A cycle that ended without a record, which the records around it show. It is kept by whoever hears of it. */
  onSkipped: (cycle: number, reason: string) => void
}

/** Finalized records: each is read, kept where that falls to us, and told once, in the order of the cycles. */
export interface Settled {
  /**
   * K2 has finalized `cycle`; what was finalized before it and never told comes first. What could not be had is told later, when it can.
   * Never throws.
   */
  follow(cycle: number, cid: CID): Promise<void>
  /** The same at a start: nothing is told of cycles from before this node first ran. */
  catchUp(cycle: number, cid: CID): Promise<void>
}

/** A record to walk down from, and how often that was in vain. */
interface Head {
  cycle: number
  cid: CID
  tries: number
  /** The cycle of the record that builds on it, where that is known. */
  above?: number | undefined
}

/** A record, or a cycle between two of them, that was never told. */
type Untold = { cycle: number } & ({ cid: CID; above?: number | undefined } | { skipped: string })

/** A record that nobody has any more is asked for so often. */
const MAX_TRIES = 4

export function createSettled(init: SettledInit): Settled {
  const { task, self, records, blocks, cycles, most, signal, log } = init
  let newest = -1
  let turn: Promise<void> = Promise.resolve()
  /** Where what was not to be had begins, downwards: tried again with the next news. */
  let again: Head[] = []

  /** Has the finalized record here, and tells what it meant for us. */
  const settle = async (cycle: number, cid: CID): Promise<void> => {
    const set = await init.stakesAt(cycle)
    const { content, ledger, tally: outcome } = await records.outcome(cid, set)
    if (providesRecord(set.weights, self, cycle)) {
      await blocks.pin(cid, { cycle, provide: true })
    }
    // a newer ledger says all that an older one does
    if (cycle === newest) {
      init.onLedger(cycle, ledger)
    }
    const accepted = outcome.accepted.some(({ signer }) => signer === self)
    const rejected = outcome.rejected.find((one) => one.staker === self)
    const staker = init.staker()
    const paid = content.distribution.find((one) => one.staker === staker)?.amount ?? 0n
    // without the stakes nothing can be weighed again; who is paid was accepted
    const entry = {
      record: cid.toString(),
      ...(set.weights.size === 0 && paid === 0n
        ? { outcome: 'not known', reason: 'K2 no longer tells the stakes of this cycle, by which its record is read' }
        : accepted || set.weights.size === 0
          ? { outcome: 'accepted' }
          : rejected == null
            ? { outcome: 'no submission' }
            : { outcome: rejected.reason, reason: rejected.detail }),
      paid: paid.toString(),
      total: (ledger.get(staker)?.reward ?? 0n).toString()
    }
    cycles.merge(task, cycle, entry)
    init.onSettled({ cycle, ...entry })
  }

  const unread = (cycle: number, before: boolean, err: unknown) => {
    if (!signal.aborted) {
      log.warn({ cycle, reason: messageOf(err) }, `the finalized record${before ? ' before that of this cycle' : ''} could not be read`)
    }
  }

  const tryAgain = (head: Head) => {
    if (head.tries + 1 < MAX_TRIES && again.length < most) {
      again.push({ ...head, tries: head.tries + 1 })
    }
  }

  const contentOf = async (head: Head): Promise<RecordContent | undefined> => {
    try {
      return (await records.ensure(head.cid)).content
    } catch (err) {
      tryAgain(head)
      unread(head.above ?? head.cycle, head.above != null, err)
      return undefined
    }
  }

  /** Cycles from `first` on that have no record, as that of cycle `above` follows on that of `below`, -1 for none. */
  const between = (below: number, above: number, first: number): Untold[] => {
    const from = Math.max(below + 1, first, above - most)
    const skipped =
      below < 0 ? `the record of cycle ${above} is the first of the task` : `the record of cycle ${above} follows on that of cycle ${below}`
    return Array.from({ length: Math.max(0, above - from) }, (_, at) => ({ cycle: from + at, skipped }))
  }

  /**
   * Records from `first` on that were never told, and the cycles between them that have none, in their order.
   *
   * @param walked CIDs that this turn has been at, with their cycles where they could be read
   */
  const untold = async (from: Head, first: number, walked: Map<string, number | undefined>): Promise<Untold[]> => {
    const found: Untold[] = []
    let head: Head | undefined = from
    for (let records = 0; head != null && records < most; records++) {
      const name: string = head.cid.toString()
      const isNew: boolean = !walked.has(name)
      const content: RecordContent | undefined = isNew ? await contentOf(head) : undefined
      const cycle = content?.cycle ?? walked.get(name)
      walked.set(name, cycle)
      if (cycle != null && head.above != null) {
        found.unshift(...between(cycle, head.above, first))
      }
      if (content == null || content.cycle < first || cycles.get(task, content.cycle)?.outcome != null) {
        break
      }
      const previous: CID | null = content.previous
      found.unshift({ cycle: content.cycle, cid: head.cid, above: head.above })
      if (previous == null) {
        found.unshift(...between(-1, content.cycle, first))
      }
      head = previous == null ? undefined : { cycle: content.cycle, cid: previous, tries: from.tries, above: content.cycle }
    }
    return found
  }

  const tell = async (one: Untold, tries: number): Promise<void> => {
    if ('cid' in one) {
      await settle(one.cycle, one.cid).catch((err) => {
        tryAgain({ ...one, tries })
        log.warn({ cycle: one.cycle, reason: messageOf(err) }, 'what a finalized record came to could not be told: it is tried again')
      })
    } else if (cycles.get(task, one.cycle)?.skipped == null) {
      init.onSkipped(one.cycle, one.skipped)
    }
  }

  /** One after another: what comes while an older one is fetched waits for it. */
  const inTurn = (cycle: number, cid: CID, firstOf: (known: number) => number): Promise<void> => {
    const run = async () => {
      const known = Math.min(...cycles.list(task, most).map((one) => one.cycle))
      const walked = new Map<string, number | undefined>()
      const heads = [...again, { cycle, cid, tries: 0 }]
      again = []
      for (const head of heads) {
        for (const one of await untold(head, firstOf(known), walked)) {
          if (signal.aborted) {
            return
          }
          await tell(one, head.tries)
        }
      }
    }
    turn = turn.then(run).catch((err) => unread(cycle, false, err))
    return turn
  }

  return {
    follow(cycle, cid) {
      // a later one that was told before was a lie
      newest = cycle
      return inTurn(cycle, cid, (known) => Math.min(known, cycle))
    },
    catchUp(cycle, cid) {
      newest = Math.max(newest, cycle)
      return inTurn(cycle, cid, (known) => known)
    }
  }
}
