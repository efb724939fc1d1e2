/**
 * # rounds
 *
 * Gradual consensus as a pure state machine: events in, effects out; no clock, socket or store inside. The same
 * machine runs in a node and in a seeded simulation. Source: DESIGN "Time" and "The round logic is pure".
 *
 *     slot ──> work ──> [worked] ──> publish submission            submission.ts
 *     message submission ──> audit ──> [audited] ──> publish challenge, verdict
 *     message challenge ──> audit, respond                          audit.ts
 *     slot ──> build ──> [built] ──> publish record (proposer)
 *     message record ──> check ──> [checked] ──> publish approval
 *     message approval ──> (more than 2/3 of the stake) ──> vote    distribution.ts
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
import { type Message, openEvidence } from '../wire/index.ts'
import { onAudited, onChallenge, onResponse, onSubmission, tickAudit } from './audit.ts'
import { type CycleState, firstKey, newCycle } from './cycle.ts'
import { onApproval, onBuilt, onChecked, tickDistribution } from './distribution.ts'
import { onWorked, tickSubmission } from './submission.ts'
import type { RoundsEffect, RoundsEvent, RoundsInit } from './types.ts'

export { type CycleSchedule, MIN_AUDIT_WINDOW, scheduleFor } from './parameters.ts'
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

  const tick = (now: number): RoundsEffect[] => {
    if (now <= slot) {
      return [] // an endpoint that is behind does not turn our clock back
    }
    slot = now
    const effects: RoundsEffect[] = []
    const current = cycleAt(init.timing, slot)
    for (const cycle of [current, current - 1, current - 2].filter((live) => live >= 0 && live < closedFrom)) {
      cycleOf(cycle)
    }
    for (const state of [...cycles.values()].sort((a, b) => a.cycle - b.cycle)) {
      if (slot >= state.schedule.distribution.to) {
        cycles.delete(state.cycle)
        effects.push({ type: 'closed', cycle: state.cycle })
        continue
      }
      effects.push(...advance(state))
    }
    return effects
  }

  /** What a cycle does of itself, given the slot and what is known: called after every event that touches it. */
  const advance = (state: CycleState): RoundsEffect[] => {
    const effects: RoundsEffect[] = []
    if (state.stakes == null) {
      if (!state.asked.stakes && slot >= state.schedule.work.from) {
        state.asked.stakes = true
        effects.push({ type: 'need-stakes', cycle: state.cycle })
      }
      return effects
    }
    if (slot < silentUntil) {
      return effects
    }
    effects.push(...tickSubmission(init, state, slot), ...tickAudit(init, state, slot), ...tickDistribution(init, state, slot))
    return effects
  }

  const onMessage = (event: Extract<RoundsEvent, { type: 'message' }>): RoundsEffect[] => {
    const { message } = event
    const effects: RoundsEffect[] = []
    const state = cycleOf(message.body.cycle)
    if (state.messages.has(message.id) || slot >= state.schedule.distribution.to) {
      return effects
    }
    const key = firstKey(message)
    const earlier = key == null ? undefined : state.first.get(key)
    state.messages.set(message.id, { message, slot: event.slot })
    if (key != null && earlier == null) {
      state.first.set(key, message)
    }
    if (earlier != null) {
      return equivocation(state, earlier, message)
    }
    switch (message.kind) {
      case 'submission':
        effects.push(...onSubmission(init, state, message))
        break
      case 'challenge':
        effects.push(...onChallenge(init, state, message, slot))
        break
      case 'response':
        effects.push(...onResponse(state, message, slot))
        break
      case 'verdict':
        if (message.signer === init.self) {
          state.verdicts.add(Buffer.from(message.body.verdict!.submission).toString('hex'))
        }
        break
      case 'approval':
        onApproval(init, state, message)
        break
      case 'equivocation': {
        const [first] = openEvidence(message.body.equivocation!, init.network)
        if (first.kind === 'submission') {
          state.equivocators.add(first.signer)
        }
        break
      }
      case 'record': // looked up by who may propose, when its attempt runs
      case 'announcement':
      case 'vote': // for whoever sends batches to K2
        break
    }
    return effects
  }

  /** Two different messages where one may be: the pair is evidence that convinces anyone. */
  const equivocation = (state: CycleState, first: Message, second: Message): RoundsEffect[] => {
    if (first.kind === 'submission') {
      if (state.equivocators.has(first.signer)) {
        return []
      }
      state.equivocators.add(first.signer)
    }
    return [
      { type: 'note', cycle: state.cycle, note: { event: 'equivocated', staker: first.signer, key: first.kind } },
      ...(first.signer === init.self
        ? []
        : [
            {
              type: 'publish' as const,
              body: { cycle: state.cycle, slot, equivocation: { first: first.envelope, second: second.envelope } }
            }
          ])
    ]
  }

  const machine: Rounds = {
    cycles: () => cycles,
    handle(event) {
      switch (event.type) {
        case 'slot':
          return tick(event.slot)
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
        default: {
          const state = cycles.get(event.cycle)
          if (state == null) {
            return [] // an answer about a cycle that has closed meanwhile
          }
          const effects: RoundsEffect[] = []
          switch (event.type) {
            case 'stakes':
              state.stakes = event.stakes
              break
            case 'base':
              state.base = event.base
              break
            case 'worked':
              effects.push(...onWorked(state, event))
              break
            case 'audited':
              effects.push(...onAudited(init, state, event, slot))
              break
            case 'built':
              onBuilt(state, event, effects)
              break
            case 'checked':
              onChecked(state, event)
              break
          }
          return [...effects, ...advance(state)]
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

/** What is wanted of a node that says nothing: that it follows, no more. */
const KEPT_WHEN_SILENT = new Set<RoundsEffect['type']>(['need-stakes', 'note', 'closed'])
