/** What holds whatever nodes are told of K2, and when: the stakes of a cycle are one set, and votes are for one record. */
import { windowOf } from '../../src/clock/index.ts'
import type { Breach } from './breaches.ts'
import { isUp } from './checker.ts'
import type { CycleHistory } from './history.ts'
import { payByStake, stakesName } from './records.ts'
import type { World } from './world.ts'

/** Whether its one endpoint lies in a cycle so that nothing gives it away, or has it asked too early: who is told so has to notice when it is over. */
function isDeceived(world: World, node: number, cycle: number): boolean {
  const [only, ...others] = world.init.nodes[node]!.endpoints ?? []
  const isHidden = only?.fits === true || only?.hidesIt === true || only?.ahead != null
  return others.length === 0 && isHidden && !isUp(world, world.nodes[node]!, cycle)
}

export function stakeBreaches(world: World, { cycle, record, sets, decided }: CycleHistory): Breach[] {
  const breaches: Breach[] = []
  const stakes = world.chain.stakesOf(cycle)
  const finalized = world.chain.finalized(cycle)
  const honest = decided.filter(({ by }) => world.nodes[by]!.honest)
  // of meshes that are steered at will it is not kept that no vote is split: docs/simulation.md, "What it shows"
  const isRow = world.init.nodes.some(({ endpoints }) => endpoints != null)
  for (const { by, cid } of isRow ? honest : []) {
    if (cid !== (finalized?.cid ?? honest[0]!.cid)) {
      breaches.push({ name: 'wrong-vote', cycle, detail: `n${by} for ${cid.slice(-6)}` })
    }
  }
  const { to: over } = windowOf(world.timing, cycle, 'distribution')
  // who is told nothing of a cycle knows nobody in it, and does nothing
  const taken = sets.filter(({ set, at }) => at < over && set.total > 0n)
  const last = new Map(taken.map(({ node, set, at }) => [node, { set, at }]))
  for (const [node, { set, at }] of last) {
    if (world.nodes[node]!.honest && !isDeceived(world, node, cycle) && stakesName(set) !== stakesName(stakes)) {
      breaches.push({ name: 'wrong-stakes', cycle, detail: `n${node} at ${at.toFixed(1)}: ${set.total} of ${stakes.total}` })
    }
  }
  if (record == null) {
    return breaches
  }
  const { accepted } = record.tally
  const staker = (key: string) => stakes.stakers?.get(key) ?? key
  const due = payByStake({
    bounty: world.chain.bounty.toString(),
    submissions: accepted.map(({ signer }) => ({ staker: signer, value: '', stake: String(stakes.weights.get(signer) ?? 0n) }))
  })
  const paid = new Map(record.content.distribution.map((entry) => [entry.staker, entry.amount]))
  const wrong = due.filter(({ staker: key, amount }) => (paid.get(staker(key)) ?? 0n) !== amount)
  const twice = new Set(accepted.map(({ signer }) => staker(signer))).size < accepted.length
  const extra = [...paid].filter(([to, amount]) => amount !== 0n && !due.some((one) => staker(one.staker) === to))
  for (const { staker: key, amount } of wrong) {
    breaches.push({ name: 'wrong-pay', cycle, detail: `n${world.indexOf(key)} got ${paid.get(staker(key)) ?? 0n}, due is ${amount}` })
  }
  for (const [to, amount] of extra) {
    breaches.push({ name: 'wrong-pay', cycle, detail: `n${world.indexOf(to)} got ${amount} for nothing` })
  }
  if (twice) {
    breaches.push({ name: 'wrong-pay', cycle, detail: 'one stake stands in the record twice' })
  }
  return breaches
}
