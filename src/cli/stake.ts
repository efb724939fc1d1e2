import { Command } from 'commander'
import { amountOf, roeToKoii } from '../config/index.ts'
import { effectiveCycle, stake as stakeInstruction } from '../k2/settlement/index.ts'
import { checkRunnable } from '../node/index.ts'
import { distinct, ensureMoney, type K2Options, k2Of, signerFrom, stakeOfKey, VOTE_FEES_ROE, withK2 } from './chain.ts'
import { answer, example, UsageError } from './common.ts'
import { checkHint, DATA_DIR_OPTION } from './hints.ts'
import { payFor, stakeCosts } from './money.ts'
import { ACCEPT_SHORT_NOTICE, checkMinimum, checkNotice, termsLines } from './terms.ts'

interface StakeOptions extends K2Options {
  task: string
  amount: string
  key: string
  wallet?: string
  hint?: string
  dataDir?: string
  acceptShortNotice?: boolean
  airdrop?: boolean
}

export function stakeCommand(): Command {
  return withK2(new Command('stake'))
    .description('stake on a task, or add to a stake: what lets a node speak, and what it can lose')
    .requiredOption('--task <id>', 'address of the task')
    .requiredOption('--amount <koii>', 'how much')
    .option('--key <file>', 'the staking key', 'staking-key.json')
    .option('--wallet <file>', 'who pays, and where rewards and the stake go back to; without it the staking key itself')
    .option('--hint <multiaddr>', 'where newcomers find the node, with /p2p/ and its PeerId')
    .option(...DATA_DIR_OPTION)
    .option(...ACCEPT_SHORT_NOTICE)
    .option('--airdrop', 'take the money from the faucet of a local K2')
    .addHelpText('after', example('koii-mesh stake --task 9xQe... --amount 10 --key ./alice.json --wallet ./wallet.json'))
    .action(async (options: StakeOptions) => {
      const amount = amountOf(options.amount, '--amount')
      if (options.hint != null) {
        await checkHint(options.hint, { dataDir: options.dataDir, keyFile: options.key })
      }
      const k2 = k2Of(options)
      const task = await k2.task(options.task)
      checkRunnable(task, options.k2)
      checkNotice(task, options.acceptShortNotice)
      const key = await signerFrom(options.key)
      const wallet = options.wallet == null ? key : await signerFrom(options.wallet)
      const before = await stakeOfKey(k2, options.task, key.address)
      if (before != null && before.stakingKey !== key.address) {
        throw new UsageError(
          `another key signs for the stake of ${before.staker} by now, ${before.stakingKey}: give that one with --key FILE`
        )
      }
      checkMinimum(task, amount, before?.amount[0]?.value ?? 0n)
      if (options.airdrop === true) {
        await ensureMoney(k2, wallet.address, amount + VOTE_FEES_ROE)
        await ensureMoney(k2, key.address, VOTE_FEES_ROE)
      }
      const staker = before?.staker ?? key.address
      // the last word before money moves
      if (options.json !== true) {
        answer(false, {}, termsLines(task))
      }
      const signers = distinct([wallet, key])
      const instruction = stakeInstruction({
        task: options.task,
        stakingKey: key.address,
        staker,
        payer: wallet.address,
        amount,
        withdrawAuthority: before?.withdrawAuthority ?? wallet.address,
        ...(options.hint == null ? {} : { addressHint: options.hint }),
        programId: options.program
      })
      const costs = () => stakeCosts(k2, amount, before == null, signers.length)
      const { signature } = await payFor(k2, { payer: wallet.address, costs, mayAirdrop: true }, () => k2.send([instruction], signers))
      const after = await k2.stake(options.task, staker)
      const staked = after?.amount[0]?.value ?? amount
      const from = effectiveCycle(task, await k2.connection.getSlot())
      answer(
        options.json,
        {
          task: options.task,
          staker,
          stake: staked,
          countsFromCycle: from,
          withdrawAuthority: after?.withdrawAuthority,
          largestSlash: task.largestSlash,
          bundleNotice: task.bundleNotice,
          signature
        },
        [
          `staker    ${staker}`,
          `stake     ${roeToKoii(staked)} KOII, counted from cycle ${from} on`,
          `rewards and the stake itself go to ${after?.withdrawAuthority}`
        ]
      )
    })
}
