/** What a run has left behind, on K2 and at its nodes, as the facts that the invariants are checked over. */
import { windowOf } from '../clock/index.ts'
import type { Ledger } from '../record/index.ts'
import type { Chain } from './chain.ts'
import type { NodeFacts, RunFacts } from './facts.ts'
import type { Member } from './member.ts'
import { balances, FUND_ROE } from './money.ts'
import type { TaskRun } from './task-run.ts'

export interface CollectInit {
  chain: Chain
  run: TaskRun
  members: readonly Member[]
  /** The slot in which somebody stopped the run. */
  stoppedAt: number | null
  /** Lamports of the faucet at genesis. */
  faucetBefore: bigint
  /** The last, when all was paid and slashed by it. */
  ledger: Ledger | null
}

/** What there is to say of one task; money is counted on all of K2. */
export async function collectFacts({ chain, run, members, stoppedAt, faucetBefore, ledger }: CollectInit): Promise<RunFacts> {
  const { k2, client, funded, log } = chain
  const { task, timing, records, seats } = run
  const { startingSlot, roundSlots } = timing
  const stakes = await client.stakes(task)
  // the run may have others, and whoever joined may have made tasks of their own on this K2, and staked on them
  const others = (await client.tasks()).filter(({ address }) => address !== task)
  const stakedOnOthers = (await Promise.all(others.map(({ address }) => client.stakes(address)))).flat()
  const addresses = new Set([
    ...funded.map(({ address }) => address),
    k2.faucetAddress,
    task,
    ...members.map(({ owner }) => owner.address),
    ...others.flatMap(({ address, manager }) => [address, manager]),
    ...[...stakes, ...stakedOnOthers].flatMap(({ address, staker, withdrawAuthority }) => [address, staker, withdrawAuthority])
  ])
  const genesis = funded.reduce((sum, { lamports }) => sum + lamports, 0n) + faucetBefore
  const now = await balances(client, [...addresses])
  const account = await client.task(task)
  const pot = {
    funded: FUND_ROE,
    claimed: account.claimedTotal,
    slashed: account.slashedTotal,
    lamports: await client.balance(task),
    rentReserve: account.rentReserve
  }
  const nodes: NodeFacts[] = seats.map(({ member: { name, pair, fault, interrupted, crashed }, records: held, ended }) => ({
    name,
    staker: pair.address,
    fault,
    records: held,
    interrupted,
    firstCycle: 0,
    crashed: crashed ?? ended
  }))
  const last = records.at(-1)
  const openCycle = last != null && stoppedAt != null && stoppedAt < windowOf(timing, last.cycle, 'distribution').to ? last.cycle : null
  const onK2 = account.finalized == null ? null : { cycle: account.finalized.cycle, totalRewards: account.totalRewards }
  const slashes =
    ledger != null
      ? new Map(
          stakes.map(({ staker, appliedSlash, amount, unstaking }) => [
            staker,
            { ledger: ledger.get(staker)?.slash ?? 0n, applied: appliedSlash, left: (amount[0]?.value ?? 0n) + unstaking }
          ])
        )
      : null
  return {
    nodes,
    transactions: log.of(task),
    records,
    startingSlot,
    roundSlots,
    openCycle,
    onK2,
    money: { genesis, now, fees: log.fees() },
    slashes,
    pot
  }
}
