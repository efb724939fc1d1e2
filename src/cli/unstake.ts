import type { Command } from 'commander'
import { commandLine } from '../command/index.ts'
import { amountOf, roeToKoii } from '../config/index.ts'
import type { K2Client } from '../k2/index.ts'
import { unstake as unstakeInstruction } from '../k2/settlement/index.ts'
import { k2Flags } from './chain.ts'
import { answer, example, UsageError } from './common.ts'
import { byOwner, type OwnerOptions, openAsOwner, ownOf, whoseOf } from './own-stake.ts'

export function unstakeCommand(): Command {
  return byOwner('unstake')
    .description('take stake out: it stops counting with the next cycle, and can be withdrawn when its lock has passed')
    .requiredOption('--amount <koii>', 'how much, or "all"')
    .addHelpText('after', example('koii-mesh unstake --task 9xQe... --key ./alice.json --wallet ./wallet.json --amount all'))
    .action(async (options: OwnerOptions & { amount: string }) => {
      const { k2, stake, wallet } = await openAsOwner(options)
      const amount = options.amount === 'all' ? (stake.amount[0]?.value ?? 0n) : amountOf(options.amount, '--amount')
      await checkRest(k2, options.task, stake.amount[0]?.value ?? 0n, amount)
      const { signature } = await k2.send([unstakeInstruction({ ...ownOf(options, stake), amount })], [wallet])
      const after = await k2.stake(options.task, stake.staker)
      const slot = await k2.connection.getSlot()
      const unlockSlot = after?.unlockSlot ?? 0
      const left = after?.amount[0]?.value ?? 0n
      const unstaking = after?.unstaking ?? amount
      answer(options.json, { task: options.task, staker: stake.staker, stake: left, unstaking, unlockSlot, slot, signature }, [
        `stake      ${roeToKoii(left)} KOII left`,
        `on its way ${roeToKoii(unstaking)} KOII, to be withdrawn from slot ${unlockSlot} on (it is ${slot} now)`,
        `  ${commandLine(['withdraw'], { ...k2Flags(options), task: options.task, ...whoseOf(options) })}`
      ])
    })
}

/** K2 would refuse it too, in the words of who stakes. @throws UsageError */
async function checkRest(k2: K2Client, task: string, staked: bigint, amount: bigint): Promise<void> {
  const { minStake } = await k2.task(task)
  const left = staked - amount
  if (left < 0n) {
    throw new UsageError(`the stake has ${roeToKoii(staked)} KOII, and ${roeToKoii(amount)} were asked for: take out all with --amount all`)
  }
  if (left > 0n && left < minStake) {
    throw new UsageError(
      `${roeToKoii(left)} KOII would be left, and the task asks for at least ${roeToKoii(minStake)}: leave as much, or take out all with --amount all`
    )
  }
}
