import { Command } from 'commander'
import { roeToKoii } from '../config/index.ts'
import { createAuditor, providerAt, slashLatest } from '../node/index.ts'
import { type K2Options, k2Of, signerFrom, withK2 } from './chain.ts'
import { addressOf, answer, collect, DEFAULT_WALLET, example } from './common.ts'
import { onBadHints } from './hints.ts'
import { ASK_NODE_OPTION, ownNode } from './own-node.ts'

interface SlashOptions extends K2Options {
  task: string
  staker: string
  wallet: string
  from?: string[]
  dataDir?: string
}

export function slashCommand(): Command {
  return withK2(new Command('slash'))
    .description('take out of a stake what the finalized ledger says that it has lost; nobody gets it, whoever asks')
    .requiredOption('--task <id>', 'address of the task')
    .requiredOption('--staker <address>', 'whose stake')
    .option('--wallet <file>', 'who pays the fee', DEFAULT_WALLET)
    .option('--from <multiaddr>', 'a peer to fetch the ledger from, besides the task’s stakers', collect)
    .option(...ASK_NODE_OPTION)
    .addHelpText('after', example('koii-mesh slash --task 9xQe... --staker 4Nd1... --wallet ./wallet.json'))
    .action(async (options: SlashOptions) => {
      const staker = addressOf(options.staker, '--staker')
      const k2 = k2Of(options)
      const payer = await signerFrom(options.wallet)
      const also = [...(await ownNode(options.dataDir)), ...(options.from ?? []).map(providerAt)]
      const auditor = await createAuditor()
      try {
        const taken = await slashLatest(k2, auditor, options.task, staker, payer, {
          also,
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
