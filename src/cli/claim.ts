import { Command } from 'commander'
import { roeToKoii } from '../config/index.ts'
import { claimLatest, createAuditor } from '../node/index.ts'
import { dialsOf, type K2Options, k2Of, type PeerOptions, signerFrom, stakeOfKey, withK2, withPeers } from './chain.ts'
import { answer, example, UsageError } from './common.ts'
import { onBadHints } from './hints.ts'

interface ClaimOptions extends K2Options, PeerOptions {
  task: string
  key?: string
  staker?: string
  wallet?: string
}

export function claimCommand(): Command {
  return withPeers(withK2(new Command('claim')), 'a peer to fetch the ledger from, besides the task’s stakers')
    .description('claim all rewards so far, at once: they go to the withdraw authority of the stake, whoever claims')
    .requiredOption('--task <id>', 'address of the task')
    .option('--key <file>', 'the staking key, which also pays the fee unless --wallet is given')
    .option('--staker <address>', 'instead of --key: whose rewards, with --wallet paying the fee')
    .option('--wallet <file>', 'who pays the fee')
    .addHelpText('after', example('koii-mesh claim --task 9xQe... --key ./alice.json'))
    .action(async (options: ClaimOptions) => {
      const payerFile = options.wallet ?? options.key
      if (payerFile == null || (options.key == null && options.staker == null)) {
        throw new UsageError('whose rewards, and who pays the fee? Give --key FILE, or --staker ADDRESS with --wallet FILE')
      }
      const k2 = k2Of(options)
      const payer = await signerFrom(payerFile)
      const key = options.staker ?? (await signerFrom(options.key!)).address
      const staker = (await stakeOfKey(k2, options.task, key))?.staker ?? key
      const dials = await dialsOf(options, options.k2)
      const auditor = await createAuditor(dials)
      try {
        const paid = await claimLatest(k2, auditor, options.task, staker, payer, {
          also: dials.named,
          onBadHints
        })
        answer(options.json, { task: options.task, staker, ...paid }, [
          paid.amount === 0n ? 'nothing to claim: all rewards so far have been paid' : `${roeToKoii(paid.amount)} KOII paid to ${paid.to}`,
          `${roeToKoii(paid.total)} KOII since the task began`
        ])
      } finally {
        await auditor.stop()
      }
    })
}
