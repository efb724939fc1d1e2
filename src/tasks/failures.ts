/** Failures of calls, as callers get them and as the operator is told of them. */
import type { FailureReason, Outcome, StackFrame, TaskFunction } from './api.ts'
import { ENDINGS, type EndingName, endingOf } from './endings.ts'
import { oneLine, type TaskLog } from './output.ts'
import { detailAt, framesOf, placed, stackText } from './stack.ts'

const DETAIL_BYTES = 600

type Failed = Extract<Outcome<never>, { ok: false }>

export const failed = (reason: FailureReason, detail: string, ending?: EndingName): Failed => ({
  ok: false,
  reason,
  detail: oneLine(detail, DETAIL_BYTES),
  ...(ending == null ? {} : { ending })
})

/** Of a call, or of a process with its calls, that ended so. @param stack names places in the bundle */
export const failureOf = (
  ending: EndingName,
  detail: string,
  stack?: string
): { ok: false; reason: (typeof ENDINGS)[EndingName]['reason']; detail: string; ending: EndingName; frames: StackFrame[] } => ({
  ok: false,
  reason: ENDINGS[ending].reason,
  detail: oneLine(detail, DETAIL_BYTES),
  ending,
  frames: framesOf(stack)
})

/** What a call gets from a runner that is stopped. */
export const stoppedFailure = (): Failed => failed('stopped', 'the runner is stopped')

export interface FailureReport {
  function: TaskFunction
  cycle: number | null
  reason: FailureReason
  detail: string
}

export interface FailureReportsInit {
  /** what the bundle is called in places of errors */
  fileName: string
  log: TaskLog
  isStopped: () => boolean
}

export function createFailureReports({ fileName, log, isStopped }: FailureReportsInit) {
  let last: FailureReport | null = null

  return {
    /** The last failure that was reported. */
    last: () => last,
    /** Notes a failure for the operator and drops what callers do not need. */
    report<T>(name: TaskFunction, cycle: number | null, outcome: Outcome<T>): Outcome<T> {
      if (outcome.ok) {
        return { ok: true, value: outcome.value }
      }
      const failure = isStopped() && outcome.reason === 'interrupted' ? failed('stopped', 'the runner is stopped', 'stopped') : outcome
      const { reason, detail, ending, accuses, at, frames } = placed(failure, fileName)
      const said = detailAt({ detail, at })
      last = { function: name, cycle, reason, detail: said }
      // a proof that is none is no error of the bundle's
      if (ending != null && endingOf(ending).whose === 'bundle' && ending !== 'bad-proof') {
        log({
          source: 'error',
          text: `${name}${cycle == null ? '' : `, cycle ${cycle}`}: ${reason}: ${said}${stackText(frames, fileName)}`
        })
      }
      return { ...failed(reason, detail, ending), ...(accuses === true ? { accuses } : {}), ...(at == null ? {} : { at }) }
    }
  }
}
