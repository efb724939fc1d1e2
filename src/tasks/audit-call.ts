/** The call of a bundle's `audit`: what its answer means, and when the way it ended accuses the submission. */

import type { Calls } from './calls.ts'
import type { Describe } from './description.ts'
import { ENDINGS, endingOf } from './endings.ts'
import { failed } from './failures.ts'
import type { Lane, LaneCall } from './lane.ts'
import { auditShape } from './messages.ts'
import type { CallOutcome } from './process-calls.ts'
import type { TaskProcesses } from './processes.ts'
import type { CallOptions } from './timeouts.ts'
import { problemIn } from './words.ts'

/** The heap of an audit that is tried again: machines differ on what just fits, not on what does not fit twice. */
const SECOND_HEAP = 2

export interface AuditCallInit {
  processes: TaskProcesses
  describe: Describe
  calls: Calls
  /** where audits run first */
  lane: Lane
  /** ms, monotonic */
  now: () => number
}

/** Never throws for what the task does. @throws what `call` throws, before anything is run */
export type AuditCall = (call: () => LaneCall, options: CallOptions | undefined) => Promise<CallOutcome>

export function createAuditCall({ processes, describe, calls, lane, now }: AuditCallInit): AuditCall {
  let alone: Promise<unknown> = Promise.resolve()

  /** Whether an audit's end is the bundle's own act, over nothing but the submission: every honest auditor then sees it. */
  async function isBundles(outcome: CallOutcome): Promise<boolean> {
    if (outcome.ok || !outcome.alone || outcome.trouble || outcome.ending == null || endingOf(outcome.ending).audit !== 'twice') {
      return false
    }
    // what the network did to it cannot be seen from here
    const known = await describe()
    return known.ok && known.value.manifest.network !== true
  }

  /** An audit, tried once more where it ended in a way that would accuse: an accusation is what happens both times. */
  async function auditTwice(call: () => LaneCall, options: CallOptions | undefined): Promise<CallOutcome> {
    const startedMs = now()
    const first = judged(await calls.callBeside(lane, 'audit', call, options, oneByOne))
    if (!first.ok && first.ending != null && endingOf(first.ending).audit === 'invalid') {
      return { ...first, accuses: true }
    }
    if (first.ok || processes.stopped || options?.signal?.aborted === true || !(await isBundles(first))) {
      return first
    }
    const second = await oneByOne(async () => {
      const leftMs = await calls.timeLeftMs('audit', options, startedMs)
      return leftMs > 0 ? judged(await calls.callApart('audit', call(), { ...options, timeoutMs: leftMs }, SECOND_HEAP)) : null
    })
    if (second == null || second.ok || !(await isBundles(second))) {
      return second ?? first
    }
    return { ...second, detail: `${second.detail} (twice)`, accuses: true }
  }

  /** After any other such: audits come in numbers, and whoever submits decides how many of them crash. */
  function oneByOne<T>(run: () => Promise<T>): Promise<T> {
    const result = alone.then(run)
    alone = result
    return result
  }

  return auditTwice
}

function judged(outcome: CallOutcome): CallOutcome {
  if (!outcome.ok) {
    return outcome
  }
  const result = auditShape.safeParse(outcome.value)
  return result.success
    ? { ...outcome, value: result.data }
    : {
        ...failed(ENDINGS.answer.reason, `neither a boolean nor { valid, reason }: ${problemIn(result.error)}`, 'answer'),
        alone: true,
        trouble: outcome.trouble
      }
}
