import type { Command } from 'commander'
import { setAddressHint } from '../k2/settlement/index.ts'
import { signerFrom } from './chain.ts'
import { answer, example, UsageError } from './common.ts'
import { checkHint, DATA_DIR_OPTION } from './hints.ts'
import { onStake, openStake, type StakeOptions } from './own-stake.ts'

export function hintCommand(): Command {
  return onStake('hint')
    .description('write the address at which newcomers find this node into its stake account')
    .argument('[multiaddr]', 'with /p2p/ and the PeerId, as the node prints it when it starts')
    .option('--remove', 'instead of an address: take the one that is there away')
    .option(...DATA_DIR_OPTION)
    .addHelpText('after', example('koii-mesh hint --task 9xQe... --key ./alice.json /dns4/node.example/tcp/4001/p2p/12D3Koo...'))
    .action(async (multiaddr: string | undefined, options: StakeOptions & { dataDir?: string; remove?: boolean }) => {
      const remove = options.remove === true
      if ((multiaddr == null) !== remove) {
        throw new UsageError(
          remove
            ? 'an address and --remove contradict each other: give the address that is to be written, or --remove alone'
            : 'which address? Give the one that the node prints as "listening on" when it starts, such as /ip4/203.0.113.7/tcp/4001/p2p/12D3KooW..., or --remove to take the one that is there away'
        )
      }
      if (options.key == null) {
        throw new UsageError('the staking key signs its hint: give it with --key FILE')
      }
      if (multiaddr != null) {
        await checkHint(multiaddr, { dataDir: options.dataDir, keyFile: options.key })
      }
      const key = await signerFrom(options.key)
      const { k2, stake } = await openStake({ ...options, wallet: options.key })
      const { signature } = await k2.send(
        [
          setAddressHint({
            task: options.task,
            staker: stake.staker,
            stakingKey: key.address,
            addressHint: multiaddr ?? '',
            programId: options.program
          })
        ],
        [key]
      )
      answer(options.json, { task: options.task, staker: stake.staker, addressHint: multiaddr ?? null, signature }, [
        multiaddr == null ? 'the hint is taken away' : `newcomers look for this node at ${multiaddr}`
      ])
    })
}
