/**
 * What each named attack takes, in shares of all cycles' bounties:
 *
 *     node scripts/run.mjs test/sim/gains.ts [PART OF A NAME]
 */
import { ATTACKS, type Attack } from './attacks.ts'
import { runWorld } from './run.ts'

export interface Gain {
  /** Of all stake, in percent. */
  stake: number
  cycles: number
  finalized: number
  /** Of all bounties, in percent: to the faulty, to them for work that was bad or could not be had, and to the honest. */
  faulty: number
  bad: number
  honest: number
  /** Honest submissions that a record rejected. */
  rejected: number
  /** How often each promise was broken. */
  breaches: string[]
}

export async function gainOf({ cycles, seeds = 1, world: init }: Attack): Promise<Gain> {
  const sums = { bounty: 0n, faulty: 0n, bad: 0n, honest: 0n }
  const gain = { stake: 0, cycles: 0, finalized: 0, rejected: 0 }
  const breaches = new Set<string>()
  for (let seed = 1; seed <= seeds; seed++) {
    const outcome = await runWorld(init(seed), cycles)
    const { world } = outcome
    const stakeOf = (faulty: boolean) =>
      world.init.nodes.filter((node) => (node.faulty ?? false) === faulty).reduce((sum, { stake }) => sum + Number(stake), 0)
    gain.stake = (100 * stakeOf(true)) / (stakeOf(true) + stakeOf(false))
    gain.cycles += cycles
    sums.bounty += world.chain.bounty * BigInt(cycles)
    for (const { name } of outcome.breaches) {
      breaches.add(name)
    }
    for (let cycle = 0; cycle < cycles; cycle++) {
      const { record } = world.history.cycle(cycle)
      if (record == null) {
        continue
      }
      gain.finalized++
      const nodeOf = (staker: string) => world.nodes[world.indexOf(staker)]!
      gain.rejected += record.tally.rejected.filter(({ staker }) => nodeOf(staker).honest).length
      const accepted = new Map(record.tally.accepted.map(({ signer, id }) => [signer, id]))
      for (const { staker, amount } of record.content.distribution.filter((entry) => entry.amount > 0n)) {
        const { honest } = nodeOf(staker)
        sums[honest ? 'honest' : 'faulty'] += amount
        if (!honest && world.proofs.truth(accepted.get(staker) ?? '')?.quality !== 'good') {
          sums.bad += amount
        }
      }
    }
  }
  const percent = (amount: bigint) => (100 * Number(amount)) / Number(sums.bounty)
  return { ...gain, faulty: percent(sums.faulty), bad: percent(sums.bad), honest: percent(sums.honest), breaches: [...breaches] }
}

if (process.argv[1]?.endsWith('gains.ts')) {
  const part = process.argv[2] ?? ''
  for (const attack of ATTACKS.filter(({ name }) => name.includes(part))) {
    const { stake, cycles, finalized, faulty, bad, honest, rejected, breaches } = await gainOf(attack)
    const [held, took, spoiled, left] = [stake, faulty, bad, honest].map((share) => `${share.toFixed(2)} %`)
    process.stdout.write(
      `${attack.name}: ${held} of the stake; ${finalized} of ${cycles} cycles finalized; paid: faulty ${took} (for bad work ${spoiled}), ` +
        `honest ${left}; honest work rejected ${rejected}; ${breaches.join(', ') || 'every promise kept'}\n`
    )
  }
}
