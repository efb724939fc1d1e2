import { Command } from 'commander'
import { roeToKoii } from '../config/index.ts'
import { createAuditor, slashLatest } from '../node/index.ts'
import { dialsOf, type K2Options, k2Of, type PeerOptions, signerFrom, withK2, withPeers } from './chain.ts'
import { addressOf, answer, DEFAULT_WALLET, example } from './common.ts'
import { onBadHints } from './hints.ts'

interface SlashOptions extends K2Options, PeerOptions {
  task: string
  staker: string
  wallet: string
}

export function slashCommand(): Command {
  return withPeers(withK2(new Command('slash')), 'a peer to fetch the ledger from, besides the task’s stakers')
    .description('take out of a stake what the finalized ledger says that it has lost; nobody gets it, whoever asks')
    .requiredOption('--task <id>', 'address of the task')
    .requiredOption('--staker <address>', 'whose stake')
    .option('--wallet <file>', 'who pays the fee', DEFAULT_WALLET)
    .addHelpText('after', example('koii-mesh slash --task 9xQe... --staker 4Nd1... --wallet ./wallet.json'))
    .action(async (options: SlashOptions) => {
      const staker = addressOf(options.staker, '--staker')
      const k2 = k2Of(options)
      const payer = await signerFrom(options.wallet)
      const dials = await dialsOf(options, options.k2)
      const auditor = await createAuditor(dials)
      try {
        const taken = await slashLatest(k2, auditor, options.task, staker, payer, {
          also: dials.named,
          onBadHints
        })
        answer(options.json, { task: options.task, staker, ...taken }, [
          taken.amount > 0n
            ? `${roeToKoii(taken.amount)} KOII were taken out of the stake of ${staker}; nobody gets them`
            : taken.owed > 0n
              ? 'nothing to take now: this cycle has taken the largest slash of the task, or the stake holds nothing'
              : 'nothing to take: what the ledger says is applied already',
          ...(taken.owed > 0n ? [`${roeToKoii(taken.owed)} KOII are still owed: again after the next finalized cycle`] : []),
          `${roeToKoii(taken.total)} KOII lost since the task began`
        ])
      } finally {
        await auditor.stop()
      }
    })
}
