/**
 * The promises of the protocol while less than a third of the stake is faulty, checked on what happened. The model's
 * proofs are the ground truth: what an honest audit answers.
 */
import { scheduleFor, windowOf } from '../../src/clock/index.ts'
import { AUDITS_PER_CYCLE } from '../../src/wire/index.ts'
import type { Breach, BreachName } from './breaches.ts'
import { convictionBreaches } from './convictions.ts'
import type { CycleHistory } from './history.ts'
import { stakeBreaches } from './k2-checks.ts'
import { CALM, CALM_JITTER_SLOTS } from './network.ts'
import type { SimNode } from './node.ts'
import { saidBy } from './words.ts'
import type { World } from './world.ts'

/** What may happen, and is worth counting. */
export interface Tallied {
  finalized: number
  /** Cycles that were lost as every proposer in them was faulty. */
  faultyTurns: number
  /** Bad submissions of faulty stakers in records of calm cycles, which no honest node drew. */
  unsampled: number
  /** Bad submissions that were in a record and rejected, or left out. */
  caught: number
}

/** What one staker may add to the messages of a record, in bytes. */
const STAKER_BYTES = 4_100
/** What chance alone does not do in a year of runs. */
const IMPOSSIBLE = 1e-7
/** Longer than signs of life are taken for new (src/rounds/own-fault.ts), in windows of up to 32 slots. */
const KNOWN_CUT_SLOTS = 5
/** From the last approval to K2's result. */
const VOTING_SLOTS = 1

/** Everything that went against the promises in so many cycles. */
export function breachesOf(world: World, cycles: number): Breach[] {
  const breaches: Breach[] = world.history.contradictions.map((detail) => ({ name: 'contradiction', cycle: -1, detail }))
  breaches.push(...world.chain.twice.map((cycle) => ({ name: 'two-records' as const, cycle, detail: '' })))
  for (let cycle = 0; cycle < cycles; cycle++) {
    breaches.push(...cycleBreaches(world, world.history.cycle(cycle), cycles))
  }
  return [...breaches, ...luckBreaches(world, cycles)]
}

export function talliedOf(world: World, cycles: number): Tallied {
  const tallied: Tallied = { finalized: 0, faultyTurns: 0, unsampled: 0, caught: 0 }
  for (let cycle = 0; cycle < cycles; cycle++) {
    const history = world.history.cycle(cycle)
    const { record } = history
    if (record == null) {
      tallied.faultyTurns += world.chain.finalized(cycle) == null && firstHonestTurn(world, history, upIn(world, cycle)) == null ? 1 : 0
      continue
    }
    tallied.finalized++
    const accepted = new Set(record.tally.accepted.map(({ id }) => id))
    for (const [id, { author }] of history.submissions) {
      if (isCalm(world, cycle) && !world.nodes[author]!.honest && world.proofs.truth(id)?.quality !== 'good') {
        tallied[accepted.has(id) ? 'unsampled' : 'caught']++
      }
    }
  }
  return tallied
}

/** Whether nothing but faulty stakers disturbed the cycle: what one connected node has all have within a delivery and before an attempt's end. */
export function isCalm({ init, timing }: World, cycle: number): boolean {
  const { hopSlots, jitterSlots, skewSlots, loss, connected } = { ...CALM, ...init.network }
  const { deliverySlots, marginSlots, audit } = scheduleFor(timing, cycle)
  const settled = (init.network?.calmFrom ?? Number.POSITIVE_INFINITY) < audit.from - timing.submissionWindow
  const delays = hopSlots + (settled ? Math.min(jitterSlots, CALM_JITTER_SLOTS) : jitterSlots) + skewSlots
  return delays < Math.min(deliverySlots, marginSlots) && (settled || (loss === 0 && connected == null))
}

/** Whether nothing took its part in a cycle from a node. */
export function isUp(world: World, node: SimNode, cycle: number): boolean {
  const { down, misled } = world.init.nodes[node.index]!
  if (down == null && misled == null) {
    return true
  }
  for (let slot = windowOf(world.timing, cycle, 'work').from; slot < windowOf(world.timing, cycle, 'distribution').to; slot++) {
    if (down?.(slot) || misled?.(slot)) {
      return false
    }
  }
  return true
}

/** Whether more than a third of the stake was out of a node's reach for so long that it must know. */
function isCutOff(world: World, node: number, at: number): boolean {
  const { connected, calmFrom = Number.POSITIVE_INFINITY } = { ...CALM, ...world.init.network }
  const reaches = (other: number, when: number) =>
    world.init.nodes[other]!.down?.(Math.floor(when)) !== true &&
    (connected == null || when >= calmFrom || (connected(node, other, when) && connected(other, node, when)))
  const stakeOf = (others: SimNode[]) => others.reduce((sum, { index }) => sum + world.init.nodes[index]!.stake, 0n)
  const times = Array.from({ length: KNOWN_CUT_SLOTS }, (_, i) => at - i)
  const gone = world.nodes.filter(({ index }) => index !== node && times.every((when) => !reaches(index, when)))
  return 3n * stakeOf(gone) > stakeOf(world.nodes)
}

/** What honest nodes that were cut off said against honest work. */
function accusedByCutOff(world: World, { said, submissions }: CycleHistory): string[] {
  const good = new Map(
    [...submissions].filter(([id, { author }]) => world.nodes[author]!.honest && world.proofs.truth(id)?.quality === 'good')
  )
  return said.flatMap(({ by, message, at }) =>
    saidBy(message).about.flatMap(({ id, place, finding }) => {
      const author = id == null ? world.indexOf(world.placesOf(message.body.cycle)[place!]!) : good.get(id)?.author
      const isGood = [...good.values()].some((one) => one.author === author)
      return finding === 'unavailable' && isGood && world.nodes[by]!.honest && isCutOff(world, by, at)
        ? [`n${by} says ${message.kind} of n${author} at ${at.toFixed(1)}`]
        : []
    })
  )
}

/** Who is honest and had its part in a cycle. */
export const upIn = (world: World, cycle: number) => world.nodes.filter((node) => node.honest && isUp(world, node, cycle))

/** The first attempt whose proposer is honest and up, of those that end in time; null where there is none. */
function firstHonestTurn(world: World, { cycle }: CycleHistory, up: readonly SimNode[]): number | null {
  const { proposalSlot, attemptSlots, marginSlots, lastCallSlot } = scheduleFor(world.timing, cycle)
  for (let attempt = 0; proposalSlot + (attempt + 1) * attemptSlots - marginSlots <= lastCallSlot; attempt++) {
    const proposer = world.proposerOf(cycle, attempt)
    if (up.some(({ key }) => key.address === proposer)) {
      return attempt
    }
  }
  return null
}

function cycleBreaches(world: World, history: CycleHistory, cycles: number): Breach[] {
  const { cycle, record } = history
  const breaches: Breach[] = []
  const breach = (name: BreachName, detail: string) => breaches.push({ name, cycle, detail })
  const { weights, total } = world.chain.stakesOf(cycle)
  const up = upIn(world, cycle)
  const upStake = up.reduce((sum, { key }) => sum + (weights.get(key.address) ?? 0n), 0n)
  const calm = isCalm(world, cycle) && upStake * 3n > total * 2n
  const finalized = world.chain.finalized(cycle)

  for (const detail of accusedByCutOff(world, history)) {
    breach('cut-off-accuses', detail)
  }
  breaches.push(...stakeBreaches(world, history))
  if (calm) {
    breaches.push(...convictionBreaches(world, history, up, cycles))
    const turn = firstHonestTurn(world, history, up)
    const { proposalSlot, attemptSlots } = scheduleFor(world.timing, cycle)
    if (turn != null && finalized == null) {
      breach('not-finalized', `votes: ${[...Map.groupBy(history.votes, ({ cid }) => cid)].map(([, votes]) => votes.length).join(' and ')}`)
    } else if (turn != null && finalized!.at > proposalSlot + (turn + 1) * attemptSlots + VOTING_SLOTS) {
      breach('turn-lost', `attempt ${turn} has an honest proposer, finalized at ${finalized!.at.toFixed(1)}`)
    }
    for (const { node, attempt, reason } of history.refusals) {
      const proposer = world.proposerOf(cycle, attempt)
      if (up.some(({ index }) => index === node) && up.some(({ key }) => key.address === proposer)) {
        breach('honest-refused', `n${node} in attempt ${attempt}: ${reason}`)
      }
    }
  }
  if (finalized == null) {
    return breaches
  }
  if (record == null) {
    breach('unreadable-record', history.unreadable ?? '')
    return breaches
  }
  for (const [staker, said] of Map.groupBy(record.messages, ({ signer, evidence }) => evidence?.offender ?? signer)) {
    const bytes = said.reduce((sum, message) => sum + message.bytes.length, 0)
    if (bytes > STAKER_BYTES) {
      breach('record-too-large', `${bytes} bytes of or about n${world.indexOf(staker)}`)
    }
  }
  for (const node of world.nodes.filter(({ honest }) => honest)) {
    const reason = record.tally.rejected.find(({ staker }) => staker === node.key.address)?.reason
    if (reason != null && !isExcused(world, history, node, reason)) {
      breach('honest-rejected', `n${node.index} ${reason}`)
    }
    const loss = record.content.distribution.find(({ staker, amount }) => staker === node.key.address && amount < 0n)
    if (loss != null || record.content.slashes.some(({ staker }) => staker === node.key.address)) {
      breach('honest-slashed', `n${node.index}`)
    }
    if (
      calm &&
      reason == null &&
      (weights.get(node.key.address) ?? 0n) > 0n &&
      up.includes(node) &&
      !record.tally.accepted.some(({ signer }) => signer === node.key.address)
    ) {
      breach('honest-left-out', `n${node.index}`)
    }
  }
  if (calm) {
    breaches.push(...badBreaches(world, history, up), ...payBreaches(world, history, up))
  }
  return breaches
}

/** Who was away, or whose proof so much honest stake could not get that it takes less than half with the faulty, may be rejected as unavailable. */
function isExcused(world: World, { cycle, audits }: CycleHistory, node: SimNode, reason: string): boolean {
  if (reason !== 'unavailable' || !isUp(world, node, cycle)) {
    return reason === 'unavailable'
  }
  const { weights, total } = world.chain.stakesOf(cycle)
  const own = [...world.history.cycle(cycle).submissions].filter(([, { author }]) => author === node.index).map(([id]) => id)
  const mistaken = new Set(
    audits
      .filter(({ submission, finding, ...audit }) => own.includes(submission) && finding !== 'valid' && world.nodes[audit.node]!.honest)
      .map((audit) => audit.node)
  )
  const stake = world.nodes
    .filter(({ index, honest }) => !honest || mistaken.has(index))
    .reduce((sum, { key }) => sum + (weights.get(key.address) ?? 0n), 0n)
  return 2n * stake > total
}

/** What is paid was good, or nobody honest drew it; and somebody honest heard it while it could still be looked at. */
function badBreaches(world: World, { cycle, record, submissions, audits }: CycleHistory, up: readonly SimNode[]): Breach[] {
  const accepted = new Set(record!.tally.accepted.map(({ id }) => id))
  const working = new Set(record!.tally.accepted.map(({ signer }) => signer))
  const { lateSlot } = scheduleFor(world.timing, cycle)
  const breaches: Breach[] = []
  for (const [id, { author, heard }] of submissions) {
    const truth = world.proofs.truth(id)
    if (!accepted.has(id) || world.nodes[author]!.honest) {
      continue
    }
    if (![...heard].some(([node, at]) => world.nodes[node]!.honest && at < lateSlot)) {
      breaches.push({ name: 'late-accepted', cycle, detail: `n${author}, heard from ${Math.min(...heard.values()).toFixed(1)} on` })
    }
    const looks = audits.filter(({ node, submission }) => submission === id && up.some(({ index }) => index === node))
    const drawn = looks.filter(
      ({ node, finding, purpose }) =>
        purpose === 'sample' && finding !== 'valid' && finding !== 'abstained' && working.has(world.nodes[node]!.key.address)
    )
    // where there are few, everybody looks at everything
    if (truth?.quality !== 'good' && (drawn.length > 0 || world.nodes.length <= AUDITS_PER_CYCLE)) {
      breaches.push({ name: 'bad-accepted', cycle, detail: `n${author} ${truth?.quality ?? 'missing'}, looked at by ${looks.length}` })
    }
  }
  return breaches
}

/** By stake among all whose work could be had: what others' unjust loss leaves is nobody's gain. */
function payBreaches(world: World, { cycle, record, submissions }: CycleHistory, up: SimNode[]): Breach[] {
  const { weights } = world.chain.stakesOf(cycle)
  const accepted = new Set(record!.tally.accepted.map(({ signer }) => signer))
  const worked = new Set([...submissions.values()].map(({ author }) => author))
  const sharing = world.nodes.filter(({ index, key, honest }) =>
    honest ? worked.has(index) && up.some((node) => node.index === index) : accepted.has(key.address)
  )
  const total = sharing.reduce((sum, { key }) => sum + (weights.get(key.address) ?? 0n), 0n)
  return record!.content.distribution.flatMap(({ staker, amount }) => {
    const node = world.nodes[world.indexOf(staker)]!
    const share = total === 0n ? 0n : (world.chain.bounty * (weights.get(staker) ?? 0n)) / total
    return node.honest || amount <= share
      ? []
      : [{ name: 'took-more' as const, cycle, detail: `n${node.index} got ${amount}, its share is ${share}` }]
  })
}

function luckBreaches(world: World, cycles: number): Breach[] {
  const { weights, total } = world.chain.stakesOf(0)
  const breaches: Breach[] = []
  for (const node of world.nodes.filter(({ honest }) => !honest)) {
    const share = Number(weights.get(node.key.address) ?? 0n) / Number(total)
    let row = 0
    for (let cycle = 0; cycle < cycles; cycle++) {
      row = world.history.cycle(cycle).proposer === node.key.address ? row + 1 : 0
      if (row > 0 && share ** row < IMPOSSIBLE) {
        breaches.push({
          name: 'always-first',
          cycle,
          detail: `n${node.index} with ${(100 * share).toFixed(1)} % in ${row} cycles in a row`
        })
        break
      }
    }
  }
  return breaches
}
