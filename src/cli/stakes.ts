/** What becomes of a stake after it was made: taken out, paid back, signed for by another key, found at another address. */
import { Command } from 'commander'
import { amountOf, roeToKoii } from '../config/index.ts'
import { createK2Client, type K2Client, type TransactionSigner } from '../k2/index.ts'
import {
  isSettled,
  PROGRAM_ID,
  replaceStakingKey,
  type StakeAccount,
  setAddressHint,
  unstake as unstakeInstruction,
  withdraw as withdrawInstruction
} from '../k2/settlement/index.ts'
import { distinct, signerFrom, stakeOfKey } from './chain.ts'
import { addressOf, answer, DEFAULT_K2, example, UsageError, withJson } from './common.ts'

interface StakeOptions {
  k2: string
  program: string
  task: string
  staker?: string
  key?: string
  json?: boolean
}

interface OwnerOptions extends StakeOptions {
  wallet?: string
}

const base = (name: string) =>
  withJson(new Command(name))
    .requiredOption('--task <id>', 'address of the task')
    .option('--k2 <url>', 'JSON-RPC endpoint of K2', DEFAULT_K2)
    .option('--program <address>', 'the settlement program', PROGRAM_ID)
    .option('--key <file>', 'the staking key')
    .option('--staker <address>', 'instead of --key: whose stake; the key that staked first, where it was replaced since')

const owned = (name: string) => base(name).option('--wallet <file>', 'the withdraw authority; without it the staking key itself')

export function unstakeCommand(): Command {
  return owned('unstake')
    .description('take stake out: it stops counting with the next cycle, and can be withdrawn when its lock has passed')
    .requiredOption('--amount <koii>', 'how much, or "all"')
    .addHelpText('after', example('koii-mesh unstake --task 9xQe... --key ./alice.json --wallet ./wallet.json --amount all'))
    .action(async (options: OwnerOptions & { amount: string }) => {
      const { k2, stake, wallet } = await openAsOwner(options)
      const amount = options.amount === 'all' ? (stake.amount[0]?.value ?? 0n) : amountOf(options.amount, '--amount')
      const { signature } = await k2.send([unstakeInstruction({ ...ownOf(options, stake), amount })], [wallet])
      const after = await k2.stake(options.task, stake.staker)
      const slot = await k2.connection.getSlot()
      const unlockSlot = after?.unlockSlot ?? 0
      const left = after?.amount[0]?.value ?? 0n
      const unstaking = after?.unstaking ?? amount
      answer(options.json, { task: options.task, staker: stake.staker, stake: left, unstaking, unlockSlot, slot, signature }, [
        `stake      ${roeToKoii(left)} KOII left`,
        `on its way ${roeToKoii(unstaking)} KOII, to be withdrawn from slot ${unlockSlot} on (it is ${slot} now)`,
        `  koii-mesh withdraw --task ${options.task} --staker ${stake.staker} --wallet FILE --k2 ${options.k2}`
      ])
    })
}

export function withdrawCommand(): Command {
  return owned('withdraw')
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
          `the stake of ${stake.staker} is locked until slot ${stake.unlockSlot}, and it is ${slot}: withdraw again then, some ${stake.unlockSlot - slot} slots from now`
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

export function replaceKeyCommand(): Command {
  return owned('replace-key')
    .description('have another key sign for a stake: for a staking key that is lost or in wrong hands')
    .requiredOption('--new-key <file>', 'the new staking key, which signs too')
    .addHelpText('after', example('koii-mesh replace-key --task 9xQe... --staker 4Nd1... --wallet ./wallet.json --new-key ./new.json'))
    .action(async (options: OwnerOptions & { newKey: string }) => {
      const { k2, stake, wallet } = await openAsOwner(options)
      const key = await signerFrom(options.newKey)
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

export function hintCommand(): Command {
  return base('hint')
    .description('write the address at which newcomers find this node into its stake account')
    .argument('[multiaddr]', 'with /p2p/ and the PeerId; left out, the hint is taken away')
    .addHelpText('after', example('koii-mesh hint --task 9xQe... --key ./alice.json /dns4/node.example/tcp/4001/p2p/12D3Koo...'))
    .action(async (multiaddr: string | undefined, options: StakeOptions) => {
      if (options.key == null) {
        throw new UsageError('the staking key signs its hint: give it with --key FILE')
      }
      const key = await signerFrom(options.key)
      const { k2, stake } = await open({ ...options, wallet: options.key })
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

const ownOf = (options: StakeOptions, stake: StakeAccount) => ({
  task: options.task,
  staker: stake.staker,
  withdrawAuthority: stake.withdrawAuthority,
  programId: options.program
})

/** The stake that is meant, and who owns it. @throws UsageError */
async function open(options: OwnerOptions): Promise<{ k2: K2Client; stake: StakeAccount; wallet: TransactionSigner }> {
  const file = options.wallet ?? options.key
  if (file == null || (options.key == null && options.staker == null)) {
    throw new UsageError('whose stake, and who owns it? Give --key FILE, or --staker ADDRESS with --wallet FILE')
  }
  const k2 = createK2Client({ url: options.k2, programId: options.program })
  await k2.task(options.task)
  const wallet = await signerFrom(file)
  const key = options.staker == null ? (await signerFrom(options.key!)).address : addressOf(options.staker, '--staker')
  const stake = await stakeOfKey(k2, options.task, key)
  if (stake == null) {
    throw new UsageError(
      `${key} has no stake in the task ${options.task}: look with koii-mesh task show ${options.task} --k2 ${options.k2}`
    )
  }
  return { k2, stake, wallet }
}

/** The stake, and its withdraw authority's key. @throws UsageError */
async function openAsOwner(options: OwnerOptions): ReturnType<typeof open> {
  const opened = await open(options)
  if (opened.wallet.address !== opened.stake.withdrawAuthority) {
    throw new UsageError(
      `${opened.wallet.address} does not own the stake of ${opened.stake.staker}, its withdraw authority is ${opened.stake.withdrawAuthority}: give that key with --wallet FILE`
    )
  }
  return opened
}
