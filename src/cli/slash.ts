import { Command } from 'commander'
import { roeToKoii } from '../config/index.ts'
import { createK2Client } from '../k2/index.ts'
import { PROGRAM_ID } from '../k2/settlement/index.ts'
import { createAuditor, providerAt, slashLatest } from '../node/index.ts'
import { signerFrom } from './chain.ts'
import { addressOf, answer, collect, DEFAULT_K2, DEFAULT_WALLET, example, withJson } from './common.ts'

interface SlashOptions {
  k2: string
  program: string
  task: string
  staker: string
  wallet: string
  from?: string[]
  json?: boolean
}

export function slashCommand(): Command {
  return withJson(new Command('slash'))
    .description('take out of a stake what the finalized ledger says that it has lost; it goes to the pot of the task, whoever asks')
    .requiredOption('--task <id>', 'address of the task')
    .requiredOption('--staker <address>', 'whose stake')
    .option('--k2 <url>', 'JSON-RPC endpoint of K2', DEFAULT_K2)
    .option('--program <address>', 'the settlement program', PROGRAM_ID)
    .option('--wallet <file>', 'who pays the fee', DEFAULT_WALLET)
    .option('--from <multiaddr>', 'a peer to fetch the ledger from, besides the task’s stakers', collect)
    .addHelpText('after', example('koii-mesh slash --task 9xQe... --staker 4Nd1... --wallet ./wallet.json'))
    .action(async (options: SlashOptions) => {
      const staker = addressOf(options.staker, '--staker')
      const k2 = createK2Client({ url: options.k2, programId: options.program })
      const payer = await signerFrom(options.wallet)
      const auditor = await createAuditor()
      try {
        const taken = await slashLatest(k2, auditor.proofs, options.task, staker, payer, (options.from ?? []).map(providerAt))
        answer(options.json, { task: options.task, staker, ...taken }, [
          taken.amount === 0n
            ? 'nothing to take: what the ledger says is applied already'
            : `${roeToKoii(taken.amount)} KOII went from the stake of ${staker} into the pot`,
          `${roeToKoii(taken.total)} KOII lost since the task began`
        ])
      } finally {
        await auditor.stop()
      }
    })
}
