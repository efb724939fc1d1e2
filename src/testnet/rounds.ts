/** The rounds of a run: which cycles K2 finalizes, each record checked, and when there are enough. */
import { cycleAt, type Timing } from '../clock/index.ts'
import { messageOf } from '../k2/index.ts'
import type { TaskAccount } from '../k2/settlement/index.ts'
import { counted } from '../observe/words.ts'
import type { Chain } from './chain.ts'
import type { Failure } from './failure.ts'
import { createFinishes, type Finish } from './finish.ts'
import type { TestnetLimits } from './limits.ts'
import { type Member, nameOf } from './member.ts'
import type { News } from './news.ts'
import type { LedgerChecks } from './outsider.ts'
import type { TaskRun } from './task-run.ts'

export interface RoundsInit {
  /** How many cycles of each task; null for any number. */
  wanted: number | null
  chain: Chain
  /** Each has its `records` filled, cycle by cycle, as they are finalized. */
  runs: readonly TaskRun[]
  /** Of all of them. */
  timing: Timing
  slotMs: number
  members: readonly Member[]
  ledgerChecks: LedgerChecks
  limits: TestnetLimits
  news: News
  failure: Failure
  signal: AbortSignal
}

export interface Rounds {
  /** Begins to look at what K2 finalizes. */
  start(): void
  /** Resolves when every task has as many cycles as wanted, or when one will not have them. */
  enough: Promise<void>
  /** No longer gives up when rounds bring nothing. */
  stopTicking(): void
  /** Resolves when everything that K2 has finalized is looked at. */
  idle(): Promise<void>
  settleLast(): Promise<void>
  /** Looks at nothing any more. */
  stop(): void
}

/** What is under way for one task. */
interface Following {
  run: TaskRun
  finish: Finish
  reading: Promise<void>
  checking: Promise<void>
}

export function createRounds(init: RoundsInit): Rounds {
  const { wanted, chain, runs, timing, slotMs, members, ledgerChecks, limits, news, failure, signal } = init
  const { k2, client, log } = chain
  const finishes = createFinishes(wanted, timing, runs.length)
  const all = runs.map((run, at): Following => ({ run, finish: finishes[at]!, reading: Promise.resolve(), checking: Promise.resolve() }))
  const enough = Promise.withResolvers<void>()
  let watch: NodeJS.Timeout | undefined

  return {
    enough: enough.promise,
    start() {
      k2.events.on('slot', onSlot)
      watch = setInterval(onTick, slotMs)
    },
    stopTicking: () => clearInterval(watch),
    idle,
    settleLast,
    stop() {
      clearInterval(watch)
      k2.events.off('slot', onSlot)
    }
  }

  async function idle(): Promise<void> {
    await Promise.all(all.map(({ reading }) => reading))
    await Promise.all(all.map(({ checking }) => checking))
  }

  /** What landed in the slot before is confirmed: has a vote among it finalized a cycle? */
  function onSlot(): void {
    holdAtEnd()
    for (const one of all) {
      if (log.hasNewVote(one.run.task)) {
        one.reading = one.reading
          .then(() => look(one))
          .catch((err) => fail(one.run.about(`K2 did not tell how the task stands: ${messageOf(err)}`)))
      }
    }
  }

  async function look(one: Following): Promise<void> {
    const account = await client.task(one.run.task)
    if (one.finish.saw(account) === 'counts') {
      holdAtEnd()
      // one at a time: the record of a cycle is checked against the one before it
      one.checking = one.checking
        .then(() => (failure.reason() == null ? onFinalized(one.run, account) : undefined))
        .catch((err) => fail(one.run.about(`the record of cycle ${account.finalized?.cycle} could not be checked: ${messageOf(err)}`)))
    }
  }

  /** Once the nodes stop there may be nobody to fetch from, and that is nobody's fault. */
  function fail(reason: string): void {
    if (!signal.aborted) {
      failure.note(reason)
    }
    enough.resolve()
  }

  async function onFinalized(run: TaskRun, account: TaskAccount): Promise<void> {
    const record = await ledgerChecks.get(run)!.check(account)
    run.records.push(record)
    news.tell('finalized', {
      task: run.task,
      cycle: record.cycle,
      record: record.cid,
      root: record.root,
      accepted: record.accepted,
      rejected: record.rejected,
      recomputed: record.recomputed.ok
    })
    const rejected = record.rejected.map(({ staker, reason }) => `, ${nameOf(members, staker)} rejected (${reason})`).join('')
    news.say(run.about(`cycle ${record.cycle} is finalized: ${record.accepted.length} accepted${rejected}`))
    if (wanted != null && runs.every(({ records }) => records.length >= wanted)) {
      enough.resolve()
    }
  }

  /** Gives up on a run that gets nowhere: as many skipped cycles as wanted ones, and some. */
  function onTick(): void {
    const cycle = cycleAt(timing, k2.slot())
    if (wanted != null && cycle - 3 >= wanted * 2 + 3) {
      const late = runs.find(({ records }) => records.length < wanted) ?? runs[0]!
      failure.note(late.about(`${late.records.length} of ${wanted} cycles were finalized in ${counted(cycle, 'round')}`))
      enough.resolve()
    }
  }

  /** Waits for the votes and records of the last cycle: as long as its window is open, and then for those who are late to hear of it. */
  async function settleLast(): Promise<void> {
    let sinceEndMs = 0
    while (sinceEndMs < limits.lateMs && !signal.aborted) {
      if (isOver()) {
        // the last slot may have finalized a cycle of one task more
        await idle()
      }
      if (all.every(isSettled)) {
        return
      }
      await new Promise((done) => setTimeout(done, slotMs))
      sinceEndMs += holdAtEnd() ? slotMs : 0
    }
  }

  function isSettled({ run, finish }: Following): boolean {
    const last = run.records.at(-1)?.cycle
    // what other tasks have finalized, this one may finalize yet
    if (last == null || (last < (finish.lastCycle() ?? last) && !isOver())) {
      return false
    }
    const hasVoted = (staker: string) =>
      log.transactions.some(
        ({ votes, failed }) => !failed && votes.some((vote) => vote.task === run.task && vote.cycle === last && vote.staker === staker)
      )
    return run.seats
      .filter(({ member }) => member.fault == null)
      .every(({ member, records, told }) => records.has(last) && told.has(last) && hasVoted(member.pair.address))
  }

  /** Stops the slots when the last cycle's window is over. */
  function holdAtEnd(): boolean {
    if (!isOver()) {
      return false
    }
    k2.hold()
    return true
  }

  /** Whether nobody can vote on the last cycle any more. */
  function isOver(): boolean {
    const end = finishes[0]!.endSlot()
    return end != null && k2.slot() >= end
  }
}
