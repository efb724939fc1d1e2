import { Command } from 'commander'
import { MIN_AUDIT_WINDOW } from '../clock/index.ts'
import { commandLine } from '../command/index.ts'
import { amountOf, roeToKoii } from '../config/index.ts'
import { generateKeyPair, readKeyFile } from '../identity/index.ts'
import { signerOf } from '../k2/index.ts'
import {
  bundleOf,
  createTask,
  createTaskAccount,
  DEFAULT_BUNDLE_NOTICE,
  DEFAULT_LARGEST_SLASH,
  fundTask,
  MAX_BUNDLE_NOTICE,
  ringAt,
  SLASH_UNITS,
  TASK_BYTES,
  type TaskAccount,
  weightOrZero
} from '../k2/settlement/index.ts'
import { bundleAt, describeBundle, paramsCid } from '../node/index.ts'
import { counted, shownText } from '../observe/index.ts'
import { recordCid } from '../record/index.ts'
import { distinct, ensureMoney, isOwnNetwork, type K2Options, k2Flags, k2Of, type PeerOptions, withK2, withPeers } from './chain.ts'
import { answer, DEFAULT_WALLET, example, PARAMS_OPTION, UsageError, whole } from './common.ts'
import { fees, payFor } from './money.ts'
import { onTestnet } from './next.ts'
import { fixedParams, givenParams, type ParamsOptions, paramsLine, typedParamsAgain } from './params.ts'
import { tableOf } from './table.ts'
import { addCommand, removeCommand } from './task-add.ts'
import { closeCommand, fundCommand, updateCommand } from './task-manage.ts'
import { pauseCommand, resumeCommand } from './task-pause.ts'
import { isShort, percentOf, roundsOf, termsLines } from './terms.ts'

interface CreateOptions extends K2Options, ParamsOptions {
  bundle: string
  name?: string
  roundSlots: number
  submissionWindow?: number
  auditWindow?: number
  startingSlot?: number
  bounty: string
  fund: string
  minStake: string
  largestSlash: number
  bundleNotice: number
  shortNotice?: boolean
  wallet: string
  airdrop?: boolean
}

export function taskCommand(): Command {
  return new Command('task')
    .description('create tasks, look at them, fund, change and close them; say which ones a node of yours does, and when it rests')
    .addHelpText('after', example('koii-mesh task list', 'koii-mesh task show 9xQeWvG816bUx9EPjHmaT23yvVM2ZWbrrpZb9PusVFin'))
    .addCommand(
      withK2(new Command('create'))
        .description('create a task on K2 and fund its pot')
        .requiredOption('--bundle <path>', 'the bundle: a JavaScript module, or the name of a built-in one (k2-index, site-archive)')
        .option(...PARAMS_OPTION)
        .option('--name <name>', 'at most 32 bytes; without it, the name in the bundle’s manifest')
        .option('--round-slots <n>', 'length of a round', whole(3), 1500)
        .option('--submission-window <n>', 'slots for submissions; without it a third of the round', whole(1))
        .option('--audit-window <n>', `slots for audits, at least ${MIN_AUDIT_WINDOW}; without it half of the round`, whole(1))
        .option('--starting-slot <n>', 'first slot of cycle 0; without it, the next one', whole(0))
        .option('--bounty <koii>', 'paid per round, at most', '10')
        .option('--fund <koii>', 'put into the pot now', '1000')
        .option('--min-stake <koii>', 'the least that a node must stake', '1')
        .option(
          '--largest-slash <n>',
          'the most that one cycle may take of a stake, in 1/10,000: 1000 is a tenth; it never changes',
          whole(0, SLASH_UNITS),
          DEFAULT_LARGEST_SLASH
        )
        .option(
          '--bundle-notice <rounds>',
          'rounds from a new bundle’s news to its first cycle, so that whoever does not want it can leave; it never changes',
          whole(1, MAX_BUNDLE_NOTICE),
          DEFAULT_BUNDLE_NOTICE
        )
        .option('--short-notice', `allow a notice of less than ${DEFAULT_BUNDLE_NOTICE} rounds, too short to leave in: for testnets`)
        .option('--wallet <file>', 'key file of the manager, who pays', DEFAULT_WALLET)
        .option('--airdrop', 'take the money from the faucet of a local K2')
        .addHelpText(
          'after',
          example(
            'koii-mesh task create --k2 http://127.0.0.1:8899 --bundle ./my-task.mjs --round-slots 150 --bounty 10 --fund 1000 --wallet ./wallet.json --airdrop'
          )
        )
        .action(create)
    )
    .addCommand(fundCommand())
    .addCommand(updateCommand())
    .addCommand(closeCommand())
    .addCommand(addCommand())
    .addCommand(removeCommand())
    .addCommand(pauseCommand())
    .addCommand(resumeCommand())
    .addCommand(
      withPeers(withK2(new Command('show')), 'a peer to ask for the bundle, too, with /p2p/ and its PeerId')
        .description('show one task, its stakers and what it pays')
        .argument('<id>', 'address of the task')
        .addHelpText('after', example('koii-mesh task show 9xQeWvG816bUx9EPjHmaT23yvVM2ZWbrrpZb9PusVFin'))
        .action(show)
    )
    .addCommand(
      withK2(new Command('list'))
        .description('list the tasks of the settlement program')
        .addHelpText('after', example('koii-mesh task list --k2 http://127.0.0.1:8899 --json'))
        .action(list)
    )
}

/** A name that everybody sees. @throws UsageError */
function nameOf(name: string, whose: string): string {
  if (shownText(name) !== name || name.includes('\ufffd')) {
    throw new UsageError(
      `${whose} is "${shownText(name)}", which holds characters that cannot be seen or are no text: use letters, digits, spaces and signs`
    )
  }
  return name
}

async function create(options: CreateOptions): Promise<void> {
  const submissionWindow = options.submissionWindow ?? Math.floor(options.roundSlots / 3)
  const auditWindow = options.auditWindow ?? Math.floor(options.roundSlots / 2)
  if (auditWindow < MIN_AUDIT_WINDOW) {
    throw new UsageError(
      `an audit window of ${counted(auditWindow, 'slot')} is too short: with fewer than ${MIN_AUDIT_WINDOW} no node has the time to look at what others submitted, so nobody would audit. Give --audit-window ${MIN_AUDIT_WINDOW} or more, or longer rounds with --round-slots`
    )
  }
  if (isShort(options) && options.shortNotice !== true) {
    throw new UsageError(
      `a notice of ${roundsOf(options.bundleNotice)} is too short to leave in: a stake comes out up to seven rounds after the news, so whoever does not want a new bundle would be caught by it. Give --bundle-notice ${DEFAULT_BUNDLE_NOTICE} or more, or for a testnet --short-notice`
    )
  }
  const k2 = k2Of(options)
  const fund = amountOf(options.fund, '--fund')
  const bounty = amountOf(options.bounty, '--bounty')
  const minStake = amountOf(options.minStake, '--min-stake')
  const params = givenParams(options)
  const { cid, manifest } = await describeBundle(bundleAt(options.bundle), params ?? null)
  const name = nameOf(options.name ?? manifest.name, options.name == null ? 'the name in the bundle’s manifest' : '--name')
  const wallet = signerOf(await readKeyFile(options.wallet))
  const task = generateKeyPair()
  const lamports = await k2.rentExemption(TASK_BYTES)
  if (options.airdrop === true) {
    await ensureMoney(k2, wallet.address, fund + BigInt(lamports) + 1_000_000_000n)
  }
  const programId = options.program
  const signers = distinct([wallet, signerOf(task)])
  const costs = async () => [
    { what: 'for the pot', roe: fund },
    { what: 'for the rent of its account', roe: BigInt(lamports) },
    fees(signers.length)
  ]
  const { signature } = await payFor(k2, { payer: wallet.address, costs, mayAirdrop: true }, () =>
    k2.send(
      [
        createTaskAccount({ payer: wallet.address, task: task.address, lamports, programId }),
        createTask({
          task: task.address,
          manager: wallet.address,
          name,
          roundSlots: options.roundSlots,
          submissionWindow,
          auditWindow,
          ...(options.startingSlot == null ? {} : { startingSlot: options.startingSlot }),
          bountyPerRound: bounty,
          minStake,
          largestSlash: options.largestSlash,
          bundleNotice: options.bundleNotice,
          bundle: cid,
          programId
        }),
        ...(fund > 0n ? [fundTask({ task: task.address, payer: wallet.address, amount: fund, programId })] : [])
      ],
      signers
    )
  )
  const { largestSlash, bundleNotice } = options
  const fixed = { params: params?.value ?? null, paramsCid: params == null ? null : await paramsCid(params) }
  answer(options.json, { task: task.address, name, bundle: cid, ...fixed, signature, bounty, funded: fund, largestSlash, bundleNotice }, [
    `task    ${task.address} (${name})`,
    `bundle  ${cid}`,
    ...(params == null ? [] : [`params  ${fixed.paramsCid} ${params.text}: part of the bundle, so that nobody has to type them`]),
    `pot     ${roeToKoii(fund)} KOII, at most ${roeToKoii(bounty)} a round`,
    `terms   one cycle takes at most ${percentOf(largestSlash)} of a stake; a new bundle has a notice of ${roundsOf(bundleNotice)}. Neither can be changed`,
    'Serve the bundle from your own node, staked or not, until others have it:',
    `  ${commandLine(['start'], { ...k2Flags(options), task: task.address, bundle: options.bundle, params: typedParamsAgain(params, options), allowPrivate: isOwnNetwork(options.k2) })}`
  ])
}

function describe(task: TaskAccount, slot: number): Record<string, unknown> {
  const cycle = Math.floor((slot - task.startingSlot) / task.roundSlots)
  return {
    task: task.address,
    name: task.name,
    manager: task.manager,
    bundle: bundleOf(task, Math.max(0, cycle)).cid,
    nextBundle: task.bundle.from > Math.max(0, cycle) ? { bundle: task.bundle.cid, fromCycle: task.bundle.from } : null,
    largestSlash: task.largestSlash,
    bundleNotice: task.bundleNotice,
    roundSlots: task.roundSlots,
    submissionWindow: task.submissionWindow,
    auditWindow: task.auditWindow,
    startingSlot: task.startingSlot,
    cycle: Math.max(0, cycle),
    stakers: task.stakerCount,
    stake: task.stake[0]!.value,
    minStake: task.minStake,
    bountyPerRound: task.bounty[0]!.value,
    // until a closed task is paid out; what was slashed lies in the account beside it, for nobody
    pot: task.funded[0]!.value - task.claimedTotal,
    slashed: task.slashedTotal,
    closedFromCycle: task.closedFrom ?? null,
    rewarded: task.totalRewards,
    claimed: task.claimedTotal,
    lastFinalized: task.finalized?.cycle ?? null,
    lastRecord: task.finalized == null ? null : recordCid(task.finalized.recordDigest).toString()
  }
}

async function show(id: string, { json, ...options }: K2Options & PeerOptions): Promise<void> {
  const k2 = k2Of(options)
  const task = await k2.task(id)
  const stakes = await k2.stakes(id)
  const slot = await k2.connection.getSlot()
  const facts = describe(task, slot)
  const fixed = await fixedParams(String(facts.bundle), stakes, options)
  const cycle = Math.max(0, Math.floor((slot - task.startingSlot) / task.roundSlots))
  const rows = stakes.map((stake) => ({
    staker: stake.staker,
    stake: stake.amount[0]!.value,
    countsNow: weightOrZero(stake, cycle),
    lastVote: stake.lastVote?.cycle ?? null,
    claimed: stake.claimedReward,
    slashed: stake.appliedSlash,
    unstaking: stake.unstaking,
    unlockSlot: stake.unlockSlot,
    address: stake.addressHint ?? null
  }))
  const table = tableOf(
    ['staker', 'stake', 'leaving, from slot', 'last vote', 'claimed', 'address'],
    rows.map((row) => [
      row.staker,
      `${roeToKoii(row.stake)} KOII`,
      row.unstaking === 0n ? '-' : `${roeToKoii(row.unstaking)} KOII, ${row.unlockSlot}`,
      row.lastVote ?? '-',
      `${roeToKoii(row.claimed)} KOII`,
      row.address ?? '-'
    ])
  )
  const params = fixed.known ? { known: true, value: fixed.params?.value ?? null } : fixed
  const digest = fixed.known && fixed.params != null ? await paramsCid(fixed.params) : null
  answer(json, { ...facts, params, paramsCid: digest, stakes: rows }, [
    `${task.name}  ${task.address}`,
    `bundle    ${facts.bundle}`,
    `params    ${await paramsLine(fixed)}`,
    ...(facts.nextBundle == null
      ? []
      : [
          `next      ${task.bundle.cid}, from cycle ${task.bundle.from} on: read it, or unstake in time (${commandLine(['unstake'], { help: true })})`
        ]),
    ...termsLines(task),
    `rounds    ${counted(task.roundSlots, 'slot')} (submissions ${task.submissionWindow}, audits ${task.auditWindow}), cycle ${cycle} now, last finalized ${task.finalized?.cycle ?? 'none'}`,
    ...(facts.lastRecord == null
      ? []
      : [
          `record    ${facts.lastRecord} of the last finalized cycle: ${commandLine(['proof', 'get', String(facts.lastRecord)], { ...k2Flags(options), task: id, history: true })}`
        ]),
    ...(task.closedFrom == null
      ? []
      : [
          `closed    no work from cycle ${task.closedFrom} on: claim, then unstake and withdraw (${commandLine(['claim'], { help: true })})`
        ]),
    `bounty    ${roeToKoii(ringAt(task.bounty, cycle))} KOII a round; pot ${roeToKoii(facts.pot as bigint)} KOII; rewarded so far ${roeToKoii(task.totalRewards)} KOII`,
    `stake     ${roeToKoii(task.stake[0]!.value)} KOII of ${counted(task.stakerCount, 'staker')}, at least ${roeToKoii(task.minStake)} KOII each`,
    ...(rows.length === 0
      ? [
          `Nobody has staked yet: ${commandLine(['stake'], { ...k2Flags(options), task: id, amount: roeToKoii(task.minStake), ...onTestnet(options.k2, task.bundleNotice) })}`
        ]
      : [table])
  ])
}

async function list({ json, ...options }: K2Options): Promise<void> {
  const k2 = k2Of(options)
  const tasks = await k2.tasks()
  const slot = await k2.connection.getSlot()
  const table = tableOf(
    ['task', 'name', 'stakers', 'stake', 'bounty a round', 'largest slash', 'notice', 'last finalized'],
    tasks.map((task) => [
      task.address,
      task.name,
      task.stakerCount,
      `${roeToKoii(task.stake[0]!.value)} KOII`,
      `${roeToKoii(task.bounty[0]!.value)} KOII`,
      percentOf(task.largestSlash),
      roundsOf(task.bundleNotice),
      task.finalized?.cycle ?? '-'
    ])
  )
  answer(
    json,
    { tasks: tasks.map((task) => describe(task, slot)) },
    tasks.length === 0
      ? [
          `No tasks yet on K2 at ${options.k2}, as far as it tells (task show ID asks for one that you know): ${commandLine(['task', 'create'], { help: true })}`
        ]
      : [table]
  )
}
