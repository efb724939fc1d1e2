import type { Command } from 'commander'
import { roeToKoii } from '../config/index.ts'
import { isSettled, withdraw as withdrawInstruction } from '../k2/settlement/index.ts'
import { counted } from '../observe/words.ts'
import { answer, example, UsageError } from './common.ts'
import { byOwner, type OwnerOptions, openAsOwner, ownOf } from './own-stake.ts'

export function withdrawCommand(): Command {
  return byOwner('withdraw')
    .description('pay out what was unstaked, to the withdraw authority')
    .option(
      '--close',
      'give up the stake account too, with its rent: for a task that is closed and settled; claim before, what is not claimed is lost'
    )
    .addHelpText('after', example('koii-mesh withdraw --task 9xQe... --key ./alice.json --wallet ./wallet.json'))
    .action(async (options: OwnerOptions & { close?: boolean }) => {
      const { k2, stake, wallet } = await openAsOwner(options)
      const own = ownOf(options, stake)
      const close = options.close === true
      const slot = await k2.connection.getSlot()
      if (slot < stake.unlockSlot && (stake.unstaking > 0n || close)) {
        throw new UsageError(
          `the stake of ${stake.staker} is locked until slot ${stake.unlockSlot}, and it is ${slot}: withdraw again then, some ${counted(stake.unlockSlot - slot, 'slot')} from now`
        )
      }
      if (close && !isSettled(await k2.task(options.task), slot)) {
        throw new UsageError(
          'the task is open, or its last cycle may still be voted on: withdraw without --close, which pays all that was unstaked'
        )
      }
      const before = await k2.balance(wallet.address)
      const { signature } = await k2.send([withdrawInstruction({ ...own, close })], [wallet])
      const paid = close ? (await k2.balance(wallet.address)) - before : stake.unstaking
      answer(options.json, { task: options.task, staker: stake.staker, paid, to: stake.withdrawAuthority, closed: close, signature }, [
        `${roeToKoii(paid)} KOII paid to ${stake.withdrawAuthority}${close ? ', rent less the fee included; the stake account is gone' : ''}`
      ])
    })
}
