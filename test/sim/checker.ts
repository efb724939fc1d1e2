/**
 * The promises of the protocol while less than a third of the stake is faulty, checked on what happened. The model's
 * proofs are the ground truth: what an honest audit answers.
 */
import { windowOf } from '../../src/clock/index.ts'
import type { CycleHistory } from './history.ts'
import type { Participant } from './participant.ts'
import type { World } from './world.ts'

/** Each names the promise that was broken. */
export const BREACHES = {
  'honest-rejected': 'an honest, available submission was rejected',
  'honest-left-out': 'an honest submission that was in time is not in the record of a calm cycle',
  'bad-accepted': 'a bad or missing submission that an honest staker sampled was accepted',
  'bad-escaped': 'a bad or missing submission was accepted though it came too late for every honest sample',
  'honest-slashed': 'an honest staker was slashed',
  'took-more': 'a faulty staker was paid more than its share',
  contradiction: 'an honest node wanted to say two things where one may be said',
  'two-records': 'two records of one cycle were finalized',
  'not-finalized': 'a calm cycle with more than two thirds honest and up was not finalized',
  'unreadable-record': 'a finalized record does not read back',
  'record-too-large': 'a record is larger than the stakers may make it',
  'always-first': 'a faulty staker proposes first again and again, against all chance'
} as const

export type BreachName = keyof typeof BREACHES

export interface Breach {
  name: BreachName
  cycle: number
  detail: string
}

/** What one staker may add to a record, in bytes. */
const STAKER_BYTES = 4_100
/** Beside the messages: the root block, and what each staker gets and loses. */
const FRAME_BYTES = 1_024
/** What chance alone does not do in a year of runs. */
const IMPOSSIBLE = 1e-7

/** Everything that went against the promises in so many cycles. */
export function breachesOf(world: World, cycles: number): Breach[] {
  const breaches: Breach[] = world.history.contradictions.map((detail) => ({ name: 'contradiction', cycle: -1, detail }))
  breaches.push(...world.chain.twice.map((cycle) => ({ name: 'two-records' as const, cycle, detail: '' })))
  for (let cycle = 0; cycle < cycles; cycle++) {
    breaches.push(...cycleBreaches(world, world.history.cycle(cycle)))
  }
  return [...breaches, ...luckBreaches(world, cycles)]
}

/** Whether nothing but faulty stakers disturbed the cycle. */
function isCalm({ init }: World): boolean {
  const { loss = 0, jitterSlots = 0, connected } = init.network ?? {}
  return loss === 0 && jitterSlots <= 0.5 && connected == null
}

function isUp(world: World, node: Participant, cycle: number): boolean {
  const down = world.init.nodes[node.index]!.down
  for (let slot = windowOf(world.timing, cycle, 'work').from; slot < windowOf(world.timing, cycle, 'distribution').to; slot++) {
    if (down?.(slot)) {
      return false
    }
  }
  return true
}

function cycleBreaches(world: World, history: CycleHistory): Breach[] {
  const { cycle, record } = history
  const breaches: Breach[] = []
  const breach = (name: BreachName, detail: string) => breaches.push({ name, cycle, detail })
  const calm = isCalm(world)
  const { weights, total } = world.chain.stakes
  const up = world.nodes.filter((node) => node.honest && isUp(world, node, cycle))
  const upStake = up.reduce((sum, { key }) => sum + weights.get(key.address)!, 0n)

  if (world.chain.finalized(cycle) == null) {
    if (calm && upStake * 3n > total * 2n) {
      breach('not-finalized', `votes: ${[...Map.groupBy(history.votes, ({ cid }) => cid)].map(([, votes]) => votes.length).join(' and ')}`)
    }
    return breaches
  }
  if (record == null) {
    breach('unreadable-record', history.unreadable ?? '')
    return breaches
  }
  if (record.bytes > FRAME_BYTES + world.nodes.length * STAKER_BYTES) {
    breach('record-too-large', `${record.bytes} bytes of ${world.nodes.length} stakers`)
  }
  const accepted = new Set(record.tally.accepted.map(({ id }) => id))
  const rejected = new Map(record.tally.rejected.map(({ staker, reason }) => [staker, reason]))
  for (const node of world.nodes.filter(({ honest }) => honest)) {
    const reason = rejected.get(node.key.address)
    if (reason != null && isUp(world, node, cycle)) {
      breach('honest-rejected', `n${node.index} ${reason}`)
    }
    const loss = record.content.distribution.find(({ staker, amount }) => staker === node.key.address && amount < 0n)
    if (loss != null || record.content.slashes.some(({ staker }) => staker === node.key.address)) {
      breach('honest-slashed', `n${node.index}`)
    }
    if (calm && reason == null && up.includes(node) && !record.tally.accepted.some(({ signer }) => signer === node.key.address)) {
      breach('honest-left-out', `n${node.index}`)
    }
  }
  for (const [id, { author, heard }] of history.submissions) {
    const truth = world.proofs.truth(id)
    if (!accepted.has(id) || world.nodes[author]!.honest || truth?.quality === 'good') {
      continue
    }
    const looks = history.audits.filter(({ node, submission }) => submission === id && world.nodes[node]!.honest)
    const sampled = looks.some(({ finding, purpose }) => purpose === 'sample' && finding !== 'valid' && finding !== 'abstained')
    if (sampled && calm) {
      breach('bad-accepted', `n${author} ${truth?.quality ?? 'missing'}, looked at by ${looks.length}`)
    } else if (!sampled && calm && world.nodes.length <= 9) {
      const times = [...heard.values()]
      breach(
        'bad-escaped',
        `n${author}, heard from ${Math.min(...times).toFixed(1)} on, A0 is ${windowOf(world.timing, cycle, 'audit').from}`
      )
    }
  }
  breaches.push(...payBreaches(world, history, up))
  return breaches
}

/** By stake among all whose work could be had: what others' unjust loss leaves is nobody's gain. */
function payBreaches(world: World, { cycle, record, submissions }: CycleHistory, up: Participant[]): Breach[] {
  const { weights } = world.chain.stakes
  const accepted = new Set(record!.tally.accepted.map(({ signer }) => signer))
  const worked = new Set([...submissions.values()].map(({ author }) => author))
  const sharing = world.nodes.filter(({ index, key, honest }) =>
    honest ? worked.has(index) && up.some((node) => node.index === index) : accepted.has(key.address)
  )
  const total = sharing.reduce((sum, { key }) => sum + weights.get(key.address)!, 0n)
  return record!.content.distribution.flatMap(({ staker, amount }) => {
    const node = world.nodes[world.indexOf(staker)]!
    const share = total === 0n ? 0n : (world.chain.bounty * weights.get(staker)!) / total
    return node.honest || amount <= share || !isCalm(world)
      ? []
      : [{ name: 'took-more' as const, cycle, detail: `n${node.index} got ${amount}, its share is ${share}` }]
  })
}

function luckBreaches(world: World, cycles: number): Breach[] {
  const { weights, total } = world.chain.stakes
  const breaches: Breach[] = []
  for (const node of world.nodes.filter(({ honest }) => !honest)) {
    const share = Number(weights.get(node.key.address)!) / Number(total)
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
