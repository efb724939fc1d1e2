/** One question, put to all endpoints at once, and what becomes of those that answer something else than the others. */
import pRetry from 'p-retry'
import { type Answer, majority } from './choose.ts'
import type { K2Connection } from './connection.ts'
import type { Endpoint } from './endpoint.ts'
import { K2BehindError, K2DoubtError, K2UnreachableError, messageOf } from './errors.ts'
import { isBehind, isEndpointFault } from './faults.ts'
import type { OneNetwork } from './one-network.ts'
import type { Waits } from './waits.ts'
import type { Contradiction } from './witness.ts'

/** One endpoint is all there is: it is waited for. Of several, the others have answered meanwhile. */
const REACHING = { retries: 20, minTimeout: 50, maxTimeout: 1000 }
const REACHING_OF_SEVERAL = { retries: 6 }

export interface Question<T> {
  /** `told`: the slot in progress that the endpoint has just told by subscription, where it does. */
  request: (connection: K2Connection, told: number | undefined) => Promise<{ slot: number; value: T }>
  /** Two answers with the same digest are the same. */
  digest: (value: T) => string
  /** An answer from before this slot is none. */
  minSlot?: number | undefined
  /** The digest of "not yet": where most say so, whoever says more may be ahead, and is not held to contradict them. */
  open?: string
  /** What of an answer cannot be so, whoever says it: such an answer is none. */
  check?: (value: T) => Contradiction | undefined
  /** Told of each endpoint whose answer was no older than the one believed: what is wrong with its own, or undefined. */
  onJudged?: (name: string, fault: string | undefined) => void
}

export interface PollInit extends Pick<OneNetwork, 'untilMajority'> {
  /** Those of the network. */
  usable: () => Endpoint[]
  byName: ReadonlyMap<string, Endpoint>
  /** Whether more than one is given. */
  several: boolean
  patienceMs: number
  nowMs: () => number
  waits: Waits
  ask<T>(endpoint: Endpoint, request: (connection: K2Connection) => Promise<T>, waitMs?: number): Promise<T>
}

export function createPoll({ usable, byName, several, patienceMs, nowMs, waits, untilMajority, ask }: PollInit) {
  /** An endpoint that has not reached the slot is asked again until it has: it would answer with older state. */
  const reaching = async <T extends { slot: number }>(request: () => Promise<T>, endpoint: Endpoint, minSlot = 0): Promise<T> => {
    await endpoint.past(minSlot)
    return pRetry(
      async () => {
        const answer = await request()
        endpoint.heard(answer.slot)
        if (!Number.isSafeInteger(answer.slot) || answer.slot < minSlot) {
          throw new K2BehindError(`K2 at ${endpoint.name} is behind: it answers for slot ${answer.slot}, and slot ${minSlot} was asked for`)
        }
        return answer
      },
      {
        ...(several ? { ...REACHING_OF_SEVERAL, minTimeout: patienceMs / 20, maxTimeout: patienceMs / 2 } : REACHING),
        shouldRetry({ error }) {
          const behind = isBehind(error)
          if (behind) {
            waits.trouble(`${endpoint.name}: it has not reached slot ${minSlot} yet`)
          }
          return behind
        }
      }
    )
  }

  /** Puts a question to all, once. */
  async function poll<T>({ request, digest, minSlot, open, check, onJudged }: Question<T>) {
    const answers: Array<Answer & { value?: T; error?: unknown }> = []
    const impossible: Array<Contradiction & { name: string; slot: number }> = []
    let failure: unknown
    const asked = usable().map(async (endpoint) => {
      try {
        const { slot, value } = await reaching(
          () => ask(endpoint, (connection) => request(connection, endpoint.told()), several ? patienceMs : undefined),
          endpoint,
          minSlot
        )
        const contradiction = check?.(value)
        if (contradiction != null) {
          impossible.push({ ...contradiction, name: endpoint.name, slot })
          return
        }
        answers.push({ name: endpoint.name, slot, digest: digest(value), suspect: isSuspect(endpoint), value })
      } catch (err) {
        if (isEndpointFault(err) || isBehind(err)) {
          failure = err
        } else {
          // what it answered cannot be read: that too is something that the others say or do not say
          answers.push({ name: endpoint.name, slot: minSlot ?? 0, digest: `! ${messageOf(err)}`, suspect: isSuspect(endpoint), error: err })
        }
      }
    })
    await untilMajority(asked, answers)
    if (answers.length === 0) {
      throw impossible.length === 0 ? (failure ?? noneLeft()) : new K2DoubtError(impossible)
    }
    const early = majority(answers, usable().length)
    const verdict = early.digest == null ? majority(answers, answers.length) : early
    if (verdict.digest != null && verdict.digest !== open) {
      // those that answer later are judged too, and nobody waits for them
      Promise.allSettled(asked).then(() => {
        const best = Math.max(...answers.filter((one) => one.digest === verdict.digest).map(({ slot }) => slot))
        for (const one of answers) {
          const same = one.digest === verdict.digest
          if (same || one.slot >= best) {
            byName.get(one.name)!.agreed(same, { slot: one.slot, says: short(one.digest), others: short(verdict.digest!) })
            onJudged?.(one.name, same ? undefined : 'it says something else than the others')
          }
        }
        for (const { name, slot, reason } of impossible.filter((one) => one.firm && one.slot >= best)) {
          byName.get(name)!.agreed(false, { slot, says: reason })
          onJudged?.(name, reason)
        }
      })
    }
    const chosen = answers.filter(({ digest: said }) => said === verdict.digest)
    return { answers, chosen }
  }
  const isSuspect = (endpoint: Endpoint) => endpoint.facts().suspectUntilMs > nowMs()

  return { poll }
}

export function noneLeft(): Error {
  return new K2UnreachableError('no K2 endpoint of the network is left: check those given with --k2')
}

export function short(text: string): string {
  return text.length > 80 ? `${text.slice(0, 77)}...` : text
}
