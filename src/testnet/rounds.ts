/** The rounds of a run: which cycles K2 finalizes, each record checked, and when there are enough. */
import { cycleAt, type Timing } from '../clock/index.ts'
import { messageOf } from '../k2/index.ts'
import type { TaskAccount } from '../k2/settlement/index.ts'
import { counted } from '../observe/words.ts'
import type { Chain } from './chain.ts'
import type { RecordFacts } from './facts.ts'
import type { Failure } from './failure.ts'
import { createFinish } from './finish.ts'
import type { TestnetLimits } from './limits.ts'
import { type Member, nameOf } from './member.ts'
import type { News } from './news.ts'
import type { LedgerCheck } from './outsider.ts'

export interface RoundsInit {
  /** How many cycles; null for any number. */
  wanted: number | null
  chain: Chain
  /** Address of the task's account. */
  task: string
  timing: Timing
  slotMs: number
  members: readonly Member[]
  ledgerCheck: LedgerCheck
  /** Filled with each cycle's, as it is finalized. */
  records: RecordFacts[]
  limits: TestnetLimits
  news: News
  failure: Failure
  signal: AbortSignal
}

export interface Rounds {
  /** Begins to look at what K2 finalizes. */
  start(): void
  /** Resolves when there are as many cycles as wanted, or when there will not be. */
  enough: Promise<void>
  /** No longer gives up when rounds bring nothing. */
  stopTicking(): void
  /** Resolves when everything that K2 has finalized is looked at. */
  idle(): Promise<void>
  settleLast(): Promise<void>
  /** Looks at nothing any more. */
  stop(): void
}

export function createRounds({
  wanted,
  chain,
  task,
  timing,
  slotMs,
  members,
  ledgerCheck,
  records,
  limits,
  news,
  failure,
  signal
}: RoundsInit): Rounds {
  const { k2, client, log } = chain
  const finish = createFinish(wanted, timing)
  const enough = Promise.withResolvers<void>()
  let reading: Promise<void> = Promise.resolve()
  let checking: Promise<void> = Promise.resolve()
  let watch: NodeJS.Timeout | undefined

  return {
    enough: enough.promise,
    start() {
      k2.events.on('slot', onSlot)
      watch = setInterval(onTick, slotMs)
    },
    stopTicking: () => clearInterval(watch),
    async idle() {
      await reading
      await checking
    },
    settleLast,
    stop() {
      clearInterval(watch)
      k2.events.off('slot', onSlot)
    }
  }

  /** What landed in the slot before is confirmed: has a vote among it finalized a cycle? */
  function onSlot(): void {
    holdAtEnd()
    if (log.hasNewVote()) {
      reading = reading.then(look).catch((err) => fail(`K2 did not tell how the task stands: ${messageOf(err)}`))
    }
  }

  async function look(): Promise<void> {
    const account = await client.task(task)
    if (finish.saw(account) === 'counts') {
      holdAtEnd()
      // one at a time: the record of a cycle is checked against the one before it
      checking = checking
        .then(() => (failure.reason() == null ? onFinalized(account) : undefined))
        .catch((err) => fail(`the record of cycle ${account.finalized?.cycle} could not be checked: ${messageOf(err)}`))
    }
  }

  /** Once the nodes stop there may be nobody to fetch from, and that is nobody's fault. */
  function fail(reason: string): void {
    if (!signal.aborted) {
      failure.note(reason)
    }
    enough.resolve()
  }

  async function onFinalized(account: TaskAccount): Promise<void> {
    const record = await ledgerCheck.check(account)
    records.push(record)
    news.tell('finalized', {
      cycle: record.cycle,
      record: record.cid,
      root: record.root,
      accepted: record.accepted,
      rejected: record.rejected,
      recomputed: record.recomputed.ok
    })
    news.say(
      `cycle ${record.cycle} is finalized: ${record.accepted.length} accepted${record.rejected.map(({ staker, reason }) => `, ${nameOf(members, staker)} rejected (${reason})`).join('')}`
    )
    if (wanted != null && records.length >= wanted) {
      enough.resolve()
    }
  }

  /** Gives up on a run that gets nowhere: as many skipped cycles as wanted ones, and some. */
  function onTick(): void {
    const cycle = cycleAt(timing, k2.slot())
    if (wanted != null && cycle - 3 >= wanted * 2 + 3) {
      failure.note(`${records.length} of ${wanted} cycles were finalized in ${counted(cycle, 'round')}`)
      enough.resolve()
    }
  }

  /** Waits for the votes and records of the last cycle: as long as its window is open, and then for those who are late to hear of it. */
  async function settleLast(): Promise<void> {
    const last = records.at(-1)!.cycle
    const honest = members.filter(({ fault }) => fault == null)
    let sinceEndMs = 0
    while (sinceEndMs < limits.lateMs && !signal.aborted) {
      const voted = honest.every(({ pair }) =>
        log.transactions.some(({ votes, failed }) => !failed && votes.some((vote) => vote.cycle === last && vote.staker === pair.address))
      )
      if (voted && honest.every(({ records: held, told }) => held.has(last) && told.has(last))) {
        return
      }
      await new Promise((done) => setTimeout(done, slotMs))
      sinceEndMs += holdAtEnd() ? slotMs : 0
    }
  }

  /** Stops the slots when the last cycle's window is over. */
  function holdAtEnd(): boolean {
    const end = finish.endSlot()
    if (end == null || k2.slot() < end) {
      return false
    }
    k2.hold()
    return true
  }
}
