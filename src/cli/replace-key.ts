import type { Command } from 'commander'
import { commandLine } from '../command/index.ts'
import { replaceStakingKey } from '../k2/settlement/index.ts'
import { distinct, signerFrom } from './chain.ts'
import { answer, example, UsageError } from './common.ts'
import { byOwner, type OwnerOptions, openAsOwner, ownOf } from './own-stake.ts'

export function replaceKeyCommand(): Command {
  return byOwner('replace-key')
    .description('have another key sign for a stake: for a staking key that is lost or in wrong hands')
    .requiredOption('--new-key <file>', 'the new staking key, which signs too')
    .addHelpText('after', example('koii-mesh replace-key --task 9xQe... --staker 4Nd1... --wallet ./wallet.json --new-key ./new.json'))
    .action(async (options: OwnerOptions & { newKey: string }) => {
      const { k2, stake, wallet } = await openAsOwner(options)
      const key = await signerFrom(options.newKey)
      const another = options.newKey.replace(/(\.json)?$/, '-2.json')
      if (key.address === stake.stakingKey) {
        throw new UsageError(
          `${key.address} signs for this stake already: make another key with ${commandLine(['keygen'], { out: another })}, and give it with --new-key`
        )
      }
      const taken = (await k2.stakes(options.task)).find(
        ({ staker, stakingKey }) => staker !== stake.staker && (stakingKey === key.address || staker === key.address)
      )
      if (taken != null) {
        throw new UsageError(
          `${key.address} is the key of another stake in this task, that of ${taken.staker}, and one key speaks for one stake: make another key with ${commandLine(['keygen'], { out: another })}, and give it with --new-key`
        )
      }
      const { signature } = await k2.send(
        [replaceStakingKey({ ...ownOf(options, stake), newStakingKey: key.address })],
        distinct([wallet, key])
      )
      const after = await k2.stake(options.task, stake.staker)
      answer(
        options.json,
        {
          task: options.task,
          staker: stake.staker,
          stakingKey: key.address,
          formerKey: stake.stakingKey,
          fromCycle: after?.keyFrom ?? null,
          signature
        },
        [
          `staker       ${stake.staker}, as before`,
          `staking key  ${key.address}: votes from now on, speaks in the mesh from cycle ${after?.keyFrom ?? '?'} on`,
          `the old one  ${stake.stakingKey} can no longer vote`,
          'Stop the node that runs with the old key, and start it with the new one.'
        ]
      )
    })
}
