/**
 * # rounds
 *
 * Gradual consensus as a pure state machine: events in, effects out; no clock, socket or store inside. The same
 * machine runs in a node and in a seeded simulation. Source: DESIGN "Time" and "The round logic is pure".
 *
 *     slot ──> work ──> [worked] ──> publish submission            submission.ts
 *     slot ──> audit ──> [audited] ──> publish challenge
 *     message challenge ──> audit, publish response                 audit.ts
 *     slot ──> publish verdicts                                     verdicts.ts
 *     slot ──> build ──> [built]
 *     message approval (> 1/3 of the stake) ──> check ──> [checked]  distribution.ts
 *     slot ──> publish record (proposer)
 *     message record ──> publish approval
 *     message approval (> 2/3 of the stake) ──> vote                agreement.ts, quorums.ts
 *     two messages where one may be ──> publish equivocation        evidence.ts
 *
 * There is nothing to shut down: who owns the machine stops feeding it.
 *
 * @example
 * ```ts
 * const rounds = createRounds({ self, network, timing, random, proposer })
 * for (const effect of rounds.handle({ type: 'slot', slot: 1234 })) run(effect)
 * ```
 */
import { cycleAt } from '../clock/index.ts'
import { isRecorded } from '../record/index.ts'
import { AUDITS_PER_CYCLE, type Message } from '../wire/index.ts'
import { onAnswer } from './answers.ts'
import { onChallenge, onResponse, onSubmission, tickAudit, tickRetries } from './audit.ts'
import { type CycleState, firstKey, newCycle, unlearn } from './cycle.ts'
import { tickDistribution } from './distribution.ts'
import { onEquivocation, onEvidence, tickEvidence } from './evidence.ts'
import { arrived } from './not-yet.ts'
import { confirm, noteHearing } from './own-fault.ts'
import { whySkipped } from './skipped.ts'
import { noteUnseen, tickSubmission } from './submission.ts'
import type { RoundsEffect, RoundsEvent, RoundsInit } from './types.ts'
import { refutedIn, tickVerdicts } from './verdicts.ts'

export type * from './types.ts'

export interface Rounds {
  handle(event: RoundsEvent): RoundsEffect[]
  /** The cycles in memory, for the status page and the tests. */
  cycles(): ReadonlyMap<number, Readonly<CycleState>>
}

export function createRounds(init: RoundsInit): Rounds {
  const cycles = new Map<number, CycleState>()
  let slot = -1
  let closedFrom = Number.POSITIVE_INFINITY
  let silentUntil = -1

  const cycleOf = (cycle: number): CycleState => {
    let state = cycles.get(cycle)
    if (state == null) {
      state = newCycle(init, cycle)
      cycles.set(cycle, state)
    }
    return state
  }

  const tick = (now: number, connected: boolean): RoundsEffect[] => {
    if (now <= slot) {
      return [] // an endpoint that is behind does not turn our clock back
    }
    const last = slot
    slot = now
    const effects: RoundsEffect[] = []
    const current = cycleAt(init.timing, slot)
    for (const cycle of [current, current - 1, current - 2].filter((live) => live >= 0 && live < closedFrom)) {
      cycleOf(cycle)
    }
    for (const state of [...cycles.values()].sort((a, b) => a.cycle - b.cycle)) {
      if (slot >= state.schedule.distribution.to) {
        cycles.delete(state.cycle)
        effects.push({ type: 'closed', cycle: state.cycle, skipped: whySkipped(state) })
        continue
      }
      noteHearing(state, last, slot, connected)
      noteUnseen(state, last, slot)
      confirm(state)
      effects.push(...advance(state))
    }
    return effects
  }

  /** What a cycle does of itself, given the slot and what is known: called after every event that touches it. */
  const advance = (state: CycleState): RoundsEffect[] => {
    if (state.stakes == null) {
      if (state.asked.stakes || slot < state.schedule.work.from) {
        return []
      }
      state.asked.stakes = true
      return [{ type: 'need-stakes', cycle: state.cycle }]
    }
    if (slot < silentUntil) {
      return []
    }
    return ticked(init, cycles.get(state.cycle - 1), state, slot)
  }

  const onMessage = (event: Extract<RoundsEvent, { type: 'message' }>): RoundsEffect[] => {
    const { message } = event
    const state = cycleOf(message.body.cycle)
    if (state.messages.has(message.id) || slot >= state.schedule.distribution.to) {
      return []
    }
    const key = firstKey(message)
    const earlier = key == null ? undefined : state.first.get(key)
    state.messages.set(message.id, { message, slot: event.slot })
    state.version += isRecorded(message.kind) ? 1 : 0
    if (key != null && earlier == null) {
      state.first.set(key, message)
    }
    if (message.kind === 'approval') {
      // also the second of two: it counts for every record that its signer approved
      state.quorums.add(message, event.slot, state.stakes)
      if (earlier != null) {
        state.quorums.addTwoFaced(message.signer, message.body.approval!.attempt, event.slot, state.stakes)
      }
    }
    return earlier != null
      ? onEquivocation(init, state, cycles.get(state.cycle + 1), earlier, message, slot)
      : onFirst(state, message, event.slot)
  }

  const onFirst = (state: CycleState, message: Message, heard: number): RoundsEffect[] => {
    const ours = message.signer === init.self
    switch (message.kind) {
      case 'submission':
        return onSubmission(init, state, message, slot)
      case 'challenge':
        return onChallenge(state, message, allowanceOf(cycles.get(state.cycle - 1), message.signer))
      case 'response':
        return onResponse(init, state, message, slot)
      case 'verdicts':
        state.spoken ||= ours // also after a restart, from the log
        return []
      case 'approval':
        if (ours) {
          state.approvedAttempts.add(message.body.approval!.attempt)
        }
        return []
      case 'record':
        if (ours) {
          state.proposed.add(message.body.record!.attempt)
        }
        return []
      case 'equivocation': {
        const about = onEvidence(cycles, state, message, heard)
        return about == null || about === state ? [] : advance(about)
      }
      case 'announcement':
      case 'vote': // for whoever sends batches to K2
        return []
    }
  }

  const machine: Rounds = {
    cycles: () => cycles,
    handle(event) {
      switch (event.type) {
        case 'slot':
          if (event.back === true) {
            // a clock that had followed a lie begins anew: what was promised meanwhile stays promised
            slot = -1
            unlearn(cycles.values())
          }
          return tick(event.slot, event.connected ?? true)
        case 'silent-until':
          silentUntil = event.slot
          return []
        case 'closed-from':
          closedFrom = Math.min(closedFrom, event.cycle)
          for (const cycle of [...cycles.keys()].filter((begun) => begun >= closedFrom)) {
            cycles.delete(cycle)
          }
          return []
        case 'message': {
          if (event.message.body.cycle >= closedFrom) {
            return []
          }
          const effects = onMessage(event)
          return [...effects, ...advance(cycleOf(event.message.body.cycle))]
        }
        case 'arrived':
          return [...cycles.values()].flatMap((state) => {
            arrived(state, slot)
            return advance(state)
          })
        default: {
          const state = cycles.get(event.cycle)
          if (state == null) {
            return [] // an answer about a cycle that has closed meanwhile
          }
          return [...onAnswer(state, event, slot), ...advance(state)]
        }
      }
    }
  }
  return {
    ...machine,
    handle(event) {
      const effects = machine.handle(event)
      return slot < silentUntil ? effects.filter(({ type }) => KEPT_WHEN_SILENT.has(type)) : effects
    }
  }
}

/** Who was refuted in the cycle before is heeded once in this one: a false word costs. */
function allowanceOf(before: CycleState | undefined, challenger: string): number {
  return before != null && refutedIn(before).has(challenger) ? 1 : AUDITS_PER_CYCLE
}

/** All that a cycle does of itself in a slot. */
function ticked(init: RoundsInit, before: CycleState | undefined, state: CycleState, slot: number): RoundsEffect[] {
  return [
    ...tickSubmission(init, state, slot),
    ...tickRetries(state, slot),
    ...tickAudit(init, state, slot),
    ...tickVerdicts(init, state, slot),
    ...tickEvidence(init, before, state, slot),
    ...tickDistribution(init, state, slot)
  ]
}

/** What is wanted of a node that says nothing: that it follows, no more. */
const KEPT_WHEN_SILENT = new Set<RoundsEffect['type']>(['need-stakes', 'note', 'closed'])
