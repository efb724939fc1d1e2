/** What a mesh must keep in the lab, whatever is done to it. Pure, over the facts of a run. */
import { cycleAt, type SlotRange, scheduleFor, windowOf } from '../../src/clock/index.ts'
import type { LabFacts, Outage } from './facts.ts'

/** One promise, over all cycles and nodes to which it applies. */
export interface Kept {
  name: string
  /** How many times it was owed: a promise that was never owed says nothing. */
  owed: number
  /** Each time that it was broken, in words. */
  broken: string[]
}

/** A node that is back needs this long to be connected, to have caught up and to have voted. */
export const RECOVERY_SLOTS = 15

export function checkPromises(facts: LabFacts): Kept[] {
  return [
    finalization(facts),
    payment(facts),
    work(facts),
    votes(facts),
    honour(facts),
    agreement(facts),
    recompute(facts),
    returns(facts),
    lives(facts)
  ]
}

/** Cycles whose last window is over, and for which everybody's stake counts. */
export function cyclesOf({ timing, nodes, lastSlot }: LabFacts): number[] {
  const first = Math.max(0, ...nodes.map(({ fromCycle }) => fromCycle ?? 0))
  const last = cycleAt(timing, lastSlot) - 3
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => first + i)
}

/** When it is out, with the time that it has for coming back. */
const reach = ({ from, to }: Outage, recoverySlots: number): SlotRange => ({
  from,
  to: to == null ? Number.POSITIVE_INFINITY : to + recoverySlots
})

function isUp(facts: LabFacts, node: string, { from, to }: SlotRange, recoverySlots = RECOVERY_SLOTS): boolean {
  return facts.outages
    .filter((outage) => outage.node === node)
    .map((outage) => reach(outage, recoverySlots))
    .every((out) => out.to <= from || out.from >= to)
}

/** The least stake that was up at any time of a range, in thousandths of all. */
export function leastUp(facts: LabFacts, { from, to }: SlotRange): number {
  const sum = (nodes: LabFacts['nodes']) => nodes.reduce((all, { stake }) => all + Number(stake), 0)
  const up = Array.from({ length: to - from }, (_, i) => ({ from: from + i, to: from + i + 1 })).map((slot) =>
    sum(facts.nodes.filter(({ name }) => isUp(facts, name, slot, 0)))
  )
  return Math.floor((Math.min(...up) * 1000) / sum(facts.nodes))
}

/** From the first slot in which a cycle is submitted to its last vote. */
const settling = (facts: LabFacts, cycle: number): SlotRange => ({
  from: windowOf(facts.timing, cycle, 'submission').from,
  to: windowOf(facts.timing, cycle, 'distribution').to
})

const isFinal = (facts: LabFacts, cycle: number) => facts.finalized.some((one) => one.cycle === cycle)

function finalization(facts: LabFacts): Kept {
  const owed = cyclesOf(facts).filter((cycle) => leastUp(facts, settling(facts, cycle)) > 666)
  const broken = owed
    .filter((cycle) => !isFinal(facts, cycle))
    .map(
      (cycle) => `cycle ${cycle} is not finalized, though ${leastUp(facts, settling(facts, cycle)) / 10} % of the stake was up throughout`
    )
  return { name: 'every cycle with more than two thirds of the stake up is finalized', owed: owed.length, broken }
}

/** From the start of its submissions until no look at one can begin any more. */
const looking = (facts: LabFacts, cycle: number): SlotRange => ({
  from: windowOf(facts.timing, cycle, 'submission').from,
  to: scheduleFor(facts.timing, cycle).finalSlot
})

function payment(facts: LabFacts): Kept {
  const owed = cyclesOf(facts)
    .filter((cycle) => isFinal(facts, cycle))
    .flatMap((cycle) =>
      facts.nodes
        .filter(({ submitted, name }) => submitted.some((one) => one.cycle === cycle) && isUp(facts, name, looking(facts, cycle)))
        .map(({ name }) => ({ cycle, name }))
    )
  const broken = owed.flatMap(({ cycle, name }) => {
    const record = facts.records.find((one) => one.cycle === cycle)
    if (record == null) {
      return [`nobody could read the record of cycle ${cycle}`]
    }
    const rejected = record.rejected.find(({ node }) => node === name)
    const fault =
      rejected != null
        ? `rejected: ${rejected.reason}`
        : !record.accepted.includes(name)
          ? 'left out'
          : BigInt(record.paid[name] ?? 0) === 0n
            ? 'accepted, and paid nothing'
            : null
    return fault == null ? [] : [`the work of ${name} in cycle ${cycle} was ${fault}`]
  })
  return { name: 'every submission of a node that was up is paid', owed: owed.length, broken }
}

function work(facts: LabFacts): Kept {
  const owed = cyclesOf(facts).flatMap((cycle) =>
    facts.nodes
      .filter(({ name }) =>
        isUp(facts, name, { from: windowOf(facts.timing, cycle, 'work').from, to: windowOf(facts.timing, cycle, 'submission').to })
      )
      .map((node) => ({ cycle, node }))
  )
  const broken = owed
    .filter(({ cycle, node }) => !node.submitted.some((one) => one.cycle === cycle))
    .map(({ cycle, node }) => `${node.name} handed nothing in for cycle ${cycle}`)
  return { name: 'a node that is up does its work and hands it in', owed: owed.length, broken }
}

function votes(facts: LabFacts): Kept {
  const owed = cyclesOf(facts)
    .filter((cycle) => isFinal(facts, cycle))
    .flatMap((cycle) => {
      const { to } = windowOf(facts.timing, cycle, 'distribution')
      // what a former process had no time for, the next one has
      return facts.nodes.filter(({ name }) => isUp(facts, name, { from: to - 1, to })).map(({ name }) => ({ cycle, name }))
    })
  const broken = owed
    .filter(({ cycle, name }) => !facts.votes.some((vote) => vote.cycle === cycle && vote.node === name))
    .map(({ cycle, name }) => `K2 has no vote of ${name} for cycle ${cycle}`)
  return { name: 'no vote is lost that had time', owed: owed.length, broken }
}

const DISHONEST = /^(invalid|refuted|equivocated)\b/

/** Nobody who is honest does bad work, contradicts itself or calls good work bad, whatever the network does. */
function honour(facts: LabFacts): Kept {
  const broken = facts.records.flatMap(({ cycle, rejected }) =>
    rejected.filter(({ reason }) => DISHONEST.test(reason)).map(({ node, reason }) => `${node} was rejected in cycle ${cycle}: ${reason}`)
  )
  return { name: 'nobody honest is called dishonest', owed: facts.records.length, broken }
}

function agreement(facts: LabFacts): Kept {
  const broken = facts.records.flatMap(({ cycle, record }) =>
    facts.nodes.flatMap(({ name, settled }) =>
      settled
        .filter((one) => one.cycle === cycle && one.record !== record)
        .map((one) => `${name} holds ${one.record} for cycle ${cycle}, K2 has ${record}`)
    )
  )
  return { name: 'all nodes hold the record that K2 has', owed: facts.records.length, broken }
}

function recompute(facts: LabFacts): Kept {
  const broken = facts.finalized.flatMap(({ cycle }) => {
    const record = facts.records.find((one) => one.cycle === cycle)
    const fault = record == null ? 'nobody could read it' : record.broken
    return fault == null ? [] : [`the record of cycle ${cycle}: ${fault}`]
  })
  return { name: 'an outsider reads every finalized record, and it recomputes', owed: facts.finalized.length, broken }
}

function returns(facts: LabFacts): Kept {
  const broken = facts.outages
    .filter(({ to }) => to == null)
    .map(({ node, why, from }) => `${node} never came back (${why} in slot ${from})`)
  return { name: 'whoever was out comes back', owed: facts.outages.length, broken }
}

function lives(facts: LabFacts): Kept {
  const broken = facts.nodes.flatMap(({ name, crashed }) => crashed.map((how) => `${name} ended by itself: ${how}`))
  return { name: 'no node ends by itself', owed: facts.nodes.length, broken }
}
