/**
 * What becomes of who says two things where one may be said: both halves are with every honest node in bounded time, they convict by the
 * rule of the wire, with real bytes and signatures, and nothing of the equivocator counts.
 */
import { scheduleFor, windowOf } from '../../src/clock/index.ts'
import { LIVE_CYCLES } from '../../src/judge/index.ts'
import { largestSlashOf } from '../../src/k2/settlement/index.ts'
import { merkleProof, partOf, SLASHES, verifyProof } from '../../src/record/index.ts'
import { evidenceOf, KINDS, type Message, offenceOf, onceKey, open, verifySignature } from '../../src/wire/index.ts'
import type { Breach, BreachName } from './breaches.ts'
import type { CycleHistory } from './history.ts'
import type { SimNode } from './node.ts'
import type { ReadRecord } from './records.ts'
import { TASK, type World } from './world.ts'

interface Offence {
  name: string
  offender: string
  kind: Message['kind']
  halves: string[]
  /** When the second of them was with somebody honest. */
  outAt: number
}

/** What was said twice, towards somebody honest each. */
function offencesOf(world: World, { had, cycle }: CycleHistory): Offence[] {
  const said = [...had.values()].filter(
    ({ message }) => KINDS[message.kind].recorded && message.evidence == null && onceKey(message.body) != null
  )
  const byHonest = said.flatMap(({ message, by }) => {
    const times = [...by].filter(([node]) => world.nodes[node]!.honest).map(([, at]) => at)
    return times.length === 0 ? [] : [{ message, at: Math.min(...times) }]
  })
  return [...Map.groupBy(byHonest, ({ message }) => `${message.signer}/${onceKey(message.body)}`).values()]
    .filter((halves) => halves.length > 1)
    .map((halves) => {
      const [first] = halves as [(typeof halves)[0]]
      const { signer: offender, kind } = first.message
      return {
        name: offenceOf({ offender, kind, cycle }),
        offender,
        kind,
        halves: halves.map(({ message }) => message.id),
        outAt: halves.map(({ at }) => at).sort((a, b) => a - b)[1]!
      }
    })
}

/** When a node had what convicts: two of the halves, or somebody's evidence. Infinity for never. */
function heldBy({ had }: CycleHistory, { name, halves }: Offence, node: number): number {
  const times = halves.flatMap((id) => had.get(id)!.by.get(node) ?? []).sort((a, b) => a - b)
  const told = [...had.values()].flatMap(({ message, by }) =>
    message.evidence != null && offenceOf(message.evidence) === name ? (by.get(node) ?? []) : []
  )
  return Math.min(times[1] ?? Number.POSITIVE_INFINITY, ...told)
}

/** Whether a pair convicts, from its bytes alone: as the judge, the tally, and anybody who is shown it, hold it. */
export function convicts(world: World, halves: readonly Message[], recordCycle: number): string | null {
  try {
    const [first, second] = halves.map(({ bytes }) => open(new Uint8Array(bytes), world.network)) as [Message, Message]
    const { offender } = evidenceOf([first, second], recordCycle)
    const unsigned = [first, second].filter((half) => !verifySignature(half, world.network, world.keys.verify))
    if (unsigned.length > 0) {
      return `${unsigned.length} of the halves are not signed by ${offender}`
    }
    return world.nodes[world.indexOf(offender)]!.honest ? `it is about n${world.indexOf(offender)}, who is honest` : null
  } catch (err) {
    return (err as Error).message
  }
}

/** Of a cycle in which nothing but faulty stakers disturbs. @param up - who is honest and was there */
export function convictionBreaches(world: World, history: CycleHistory, up: readonly SimNode[], cycles: number): Breach[] {
  const { cycle, record } = history
  const { submission, verdictsEndSlot, verdictsMustSlot, deliverySlots } = scheduleFor(world.timing, cycle)
  const breaches: Breach[] = []
  const breach = (name: BreachName, detail: string, of = cycle) => breaches.push({ name, cycle: of, detail })

  for (const { message } of history.had.values()) {
    const fault =
      message.evidence == null || !world.nodes[world.indexOf(message.signer)]!.honest
        ? null
        : convicts(world, message.evidence.halves, message.body.cycle)
    if (fault != null) {
      breach('bad-evidence', `n${world.indexOf(message.signer)} tells of ${message.evidence!.kind}: ${fault}`)
    }
  }
  const offences = offencesOf(world, history)
  for (const offence of offences) {
    const who = `n${world.indexOf(offence.offender)} ${offence.kind}`
    const windowEnd = offence.kind === 'submission' ? submission.to : verdictsEndSlot
    const due = Math.max(windowEnd, offence.outAt) + deliverySlots
    const held = up.map((node) => ({ node, at: heldBy(history, offence, node.index) }))
    const without = held.filter(({ at }) => at > due).map(({ node }) => `n${node.index}`)
    // what comes out as the cycle ends for good is taken in by nobody any more, and changes nothing
    const isLive = due < windowOf(world.timing, cycle + LIVE_CYCLES + 1, 'work').from
    if (isLive && without.length > 0) {
      breach('halves-apart', `${who}: ${without.join(' ')} cannot prove it at ${due}, both halves were out at ${offence.outAt.toFixed(1)}`)
    }
    // what all had in time stands in this record; what came later in the next one, as long as that can be told of it
    const inTime = held.every(({ at }) => at < verdictsMustSlot)
    const records = Array.from({ length: cycles - cycle }, (_, i) => world.history.cycle(cycle + i)).filter((one) => one.record != null)
    const punished = records.filter((one) => one.record!.offences.has(offence.name)).map((one) => one.cycle)
    if (punished.length > 1) {
      breach('punished-twice', `${who} in the records of cycles ${punished.join(' and ')}`)
    }
    const next = scheduleFor(world.timing, cycle + 1)
    const after = records.find((one) => one.cycle === cycle + 1)?.record
    const mayBeTold = after != null && offence.outAt + deliverySlots < next.verdictsEndSlot
    const judging = inTime ? record : mayBeTold ? after : null
    // of one offender a record holds one proof: that of another offence does as well
    if (punished.length === 0 && judging != null && ![...judging.offences].some((name) => name.startsWith(`${offence.offender}/`))) {
      breach('not-convicted', who)
    }
    if (punished[0] === cycle) {
      for (const fault of stillCounts(world, record!, offence)) {
        breach('equivocator-counts', `${who}: ${fault}`)
      }
    }
  }
  return breaches
}

/** What of an equivocator counts in the record that convicts it. */
function stillCounts(world: World, record: ReadRecord, { offender }: Offence): string[] {
  const { tally, content, messages } = record
  const { weights, stakers } = world.chain.stakesOf(content.cycle)
  const paidTo = stakers?.get(offender) ?? offender
  const own = messages.filter(({ signer, evidence }) => signer === offender && evidence == null)
  const slash = content.slashes.find(({ staker }) => staker === paidTo)
  const proof = messages.find(({ evidence }) => evidence?.offender === offender)?.evidence?.halves ?? own
  const fault = convicts(world, proof.slice(0, 2), content.cycle)
  return [
    ...(tally.accepted.some(({ signer }) => signer === offender) ? ['its work is accepted'] : []),
    ...(content.distribution.some(({ staker, amount }) => staker === paidTo && amount > 0n) ? ['it is paid'] : []),
    ...(own.length > 2 || (own.length > 0 && proof !== own) ? ['its words stand in the record beside the proof'] : []),
    ...(slash == null && partOf(weights.get(offender) ?? 0n, SLASHES.equivocated) > 0n ? ['it is not slashed'] : []),
    ...(fault == null ? [] : [`what convicts it in the record does not: ${fault}`]),
    ...(slash == null ? [] : whyNotTaken(world, record, paidTo, slash.amount, weights.get(offender) ?? 0n))
  ]
}

/** Why K2's program would not take a slash by the record: what it checks is the way from the ledger's leaf to the root, and the most that it may be. */
function whyNotTaken(world: World, { content, ledger }: ReadRecord, staker: string, amount: bigint, stake: bigint): string[] {
  const entry = ledger.get(staker)
  const proof = merkleProof(ledger, TASK, staker)
  return [
    ...(entry != null && proof != null && verifyProof({ root: content.root, taskId: TASK, staker, entry, proof })
      ? []
      : ['its slash does not lead to the root that K2 has']),
    ...(amount <= largestSlashOf({ largestSlash: world.largestSlash }, stake) ? [] : [`it loses ${amount}, more than K2 takes at once`])
  ]
}

/** Two things of one key where one may be said, in what went over the wire or onto K2. */
export function contradictionsIn(world: World): string[] {
  const said = new Map<string, Set<string>>()
  for (const { message } of world.history.cycles().flatMap(({ said }) => said)) {
    const once = onceKey(message.body)
    if (once != null) {
      const place = `${message.signer} ${message.body.cycle} ${once}`
      said.set(place, (said.get(place) ?? new Set()).add(message.id))
    }
  }
  return [...said].filter(([, ids]) => ids.size > 1).map(([place]) => place)
}
