import { Command } from 'commander'
import { amountOf, roeToKoii } from '../config/index.ts'
import { createK2Client } from '../k2/index.ts'
import { effectiveCycle, PROGRAM_ID, stake as stakeInstruction } from '../k2/settlement/index.ts'
import { distinct, ensureMoney, signerFrom, stakeOfKey, VOTE_FEES_ROE } from './chain.ts'
import { answer, DEFAULT_K2, example, UsageError, withJson } from './common.ts'

interface StakeOptions {
  k2: string
  program: string
  task: string
  amount: string
  key: string
  wallet?: string
  hint?: string
  airdrop?: boolean
  json?: boolean
}

export function stakeCommand(): Command {
  return withJson(new Command('stake'))
    .description('stake on a task, or add to a stake: what lets a node speak, and what it can lose')
    .requiredOption('--task <id>', 'address of the task')
    .requiredOption('--amount <koii>', 'how much')
    .option('--k2 <url>', 'JSON-RPC endpoint of K2', DEFAULT_K2)
    .option('--program <address>', 'the settlement program', PROGRAM_ID)
    .option('--key <file>', 'the staking key', 'staking-key.json')
    .option('--wallet <file>', 'who pays, and where rewards and the stake go back to; without it the staking key itself')
    .option('--hint <multiaddr>', 'where newcomers find the node, with /p2p/ and its PeerId')
    .option('--airdrop', 'take the money from the faucet of a local K2')
    .addHelpText('after', example('koii-mesh stake --task 9xQe... --amount 10 --key ./alice.json --wallet ./wallet.json'))
    .action(async (options: StakeOptions) => {
      const amount = amountOf(options.amount, '--amount')
      const k2 = createK2Client({ url: options.k2, programId: options.program })
      const task = await k2.task(options.task)
      const key = await signerFrom(options.key)
      const wallet = options.wallet == null ? key : await signerFrom(options.wallet)
      if (options.airdrop === true) {
        await ensureMoney(k2, wallet.address, amount + VOTE_FEES_ROE)
        await ensureMoney(k2, key.address, VOTE_FEES_ROE)
      }
      const before = await stakeOfKey(k2, options.task, key.address)
      if (before != null && before.stakingKey !== key.address) {
        throw new UsageError(
          `another key signs for the stake of ${before.staker} by now, ${before.stakingKey}: give that one with --key FILE`
        )
      }
      const staker = before?.staker ?? key.address
      const { signature } = await k2.send(
        [
          stakeInstruction({
            task: options.task,
            stakingKey: key.address,
            staker,
            payer: wallet.address,
            amount,
            withdrawAuthority: before?.withdrawAuthority ?? wallet.address,
            ...(options.hint == null ? {} : { addressHint: options.hint }),
            programId: options.program
          })
        ],
        distinct([wallet, key])
      )
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
          signature
        },
        [
          `staker   ${staker}`,
          `stake    ${roeToKoii(staked)} KOII, counted from cycle ${from} on`,
          `rewards and the stake itself go to ${after?.withdrawAuthority}`
        ]
      )
    })
}
