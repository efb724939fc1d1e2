/** The calls that are under way in one process: their time, their abort, and how each is settled once. */
import type { CycleTiming, Outcome, ProofReader, TaskFunction } from './api.ts'
import { ENDINGS, type EndingName } from './endings.ts'
import { failureOf } from './failures.ts'
import { secondsText } from './timeouts.ts'

/** Between the abort of a call's signal and the kill: enough to return, too little to matter. */
const GRACE_MS = 100

export interface ProcessCall {
  function: TaskFunction
  timing: CycleTiming | null
  /** JSON */
  argument: unknown
  /** where the call may read proofs; null means the node's own store, and that it may put as well */
  proofs: ProofReader | null
  timeoutMs: number
  signal?: AbortSignal
}

/**
 * `alone`: no other call was under way when this one ended, so that a failure is its own. `trouble`: this node failed the
 * call in something that it asked for, or never began it.
 */
export type CallOutcome = Outcome<unknown> & { alone: boolean; trouble: boolean }

/** A call that is under way. */
export interface PendingCall {
  call: ProcessCall
  services: AbortController
  trouble: boolean
  badProof: boolean
  /** Whether K2 failed it, and has not answered since. */
  k2Away: boolean
  settle(outcome: Outcome<unknown>, alone: boolean): void
}

/** Why a process ended; `culprit` is the number of the call that it was ended for. */
export interface ProcessEnd {
  ending: EndingName
  detail: string
  stack?: string | undefined
  culprit?: number | null
}

export interface ProcessCallsInit {
  isOver: () => boolean
  send: (head: unknown) => void
  kill: (ending: EndingName, detail: string, culprit: number) => void
}

export interface ProcessCalls {
  call(call: ProcessCall): Promise<CallOutcome>
  find(id: number): PendingCall | undefined
  /** No other call is under way beside it. */
  isOnly(): boolean
  /** Settles all of them: the process has ended. */
  endAll(why: ProcessEnd): void
}

export function createProcessCalls({ isOver, send, kill }: ProcessCallsInit): ProcessCalls {
  const calls = new Map<number, PendingCall>()
  let nextCall = 1

  return {
    call(call) {
      return new Promise((resolve) => {
        if (isOver()) {
          resolve({ ...failureOf('interrupted', 'the process has ended'), alone: false, trouble: true })
          return
        }
        const id = nextCall++
        let graceTimer: NodeJS.Timeout | undefined
        let late: Outcome<unknown> | null = null
        const stopCall = (ending: EndingName, detail: string) => {
          if (late != null) {
            return
          }
          late = failureOf(ending, detail)
          send({ kind: 'abort', id, reason: detail })
          graceTimer = setTimeout(() => kill(ending, detail, id), GRACE_MS)
        }
        const onAbort = () => stopCall('aborted', whyAborted(call.signal))
        const timer = setTimeout(
          () => stopCall('timeout', `${call.function} took longer than the ${secondsText(call.timeoutMs)} that it had`),
          call.timeoutMs
        )
        const services = new AbortController()
        calls.set(id, {
          call,
          services,
          trouble: false,
          badProof: false,
          k2Away: false,
          settle(outcome, alone) {
            clearTimeout(timer)
            clearTimeout(graceTimer)
            call.signal?.removeEventListener('abort', onAbort)
            calls.delete(id)
            services.abort(new DOMException('the call that asked for it is over', 'AbortError'))
            // a result after its time counts as none, whatever it is
            resolve({ ...(late ?? outcome), alone, trouble: this.trouble })
          }
        })
        call.signal?.addEventListener('abort', onAbort)
        send({ kind: 'call', id, function: call.function, timing: call.timing, argument: call.argument })
        if (call.signal?.aborted === true) {
          onAbort()
        }
      })
    },
    find: (id) => calls.get(id),
    isOnly: () => calls.size === 1,
    endAll(why) {
      const alone = calls.size <= 1
      for (const [id, pending] of [...calls]) {
        pending.settle(
          why.culprit == null || why.culprit === id
            ? failureOf(why.ending, why.detail, why.stack)
            : failureOf('interrupted', `another call of the same process ended it: ${ENDINGS[why.ending].reason}, ${why.detail}`),
          alone
        )
      }
    }
  }
}

/** What the caller says of it: without a word of its own, only that it did. */
function whyAborted(signal: AbortSignal | undefined): string {
  const { reason } = signal ?? {}
  return reason instanceof Error && reason.message !== UNTOLD ? reason.message : 'the node gave the call up'
}

/** What `abort()` says by itself. */
const UNTOLD = new DOMException('This operation was aborted', 'AbortError').message
