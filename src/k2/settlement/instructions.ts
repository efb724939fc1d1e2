/**
 * The settlement program's instructions as `@solana/web3.js` takes them. Layouts: protocols/settlement/README.md,
 * "Instructions".
 *
 * @example
 * const task = Keypair.generate()
 * const lamports = await connection.getMinimumBalanceForRentExemption(TASK_BYTES)
 * const transaction = new Transaction().add(
 *   createTaskAccount({ payer, task: task.publicKey.toBase58(), lamports }),
 *   createTask({ task: task.publicKey.toBase58(), manager, name: 'k2-index', ... })
 * )
 */

import { PublicKey, SystemProgram, type TransactionInstruction } from '@solana/web3.js'
import { counted } from '../../observe/words.ts'
import { TASK_BYTES } from './accounts.ts'
import { InstructionArgumentError } from './errors.ts'
import {
  definedProgram,
  hash,
  instruction,
  readonly,
  signer,
  stakeAddress,
  stakeMetas,
  systemProgram,
  TAGS,
  u64,
  utf8,
  within,
  writable
} from './layout.ts'
import { PROGRAM_ID } from './program-id.ts'
import { DEFAULT_BUNDLE_NOTICE, DEFAULT_LARGEST_SLASH, MAX_BUNDLE_NOTICE, SLASH_UNITS } from './weights.ts'

export { PROGRAM_ID, stakeAddress, TAGS }

/** An instruction of the program. */
export type InstructionName = keyof typeof TAGS

export const MAX_NAME_BYTES = 32
export const MAX_BUNDLE_BYTES = 64
/** of the address hint: a multiaddr's text */
export const MAX_HINT_BYTES = 127
export const MAX_PROOF_HASHES = 24
/** Keys are base58, amounts in ROE, times in slots. */
export interface CreateTaskInit {
  task: string
  manager: string
  /** at most 32 bytes of UTF-8 */
  name: string
  roundSlots: number
  submissionWindow: number
  auditWindow: number
  /** default: the slot in which the transaction lands, as for any slot that is past by then */
  startingSlot?: number
  bountyPerRound: bigint
  minStake: bigint
  /** the most that one cycle may take of what a stake holds, in 1/10,000: 0 to 10,000, for ever; default: 1,000, a tenth */
  largestSlash?: number
  /** rounds from a new bundle's news to its first cycle: 1 to 65,536, for ever; default: 8, time enough to take a stake out */
  bundleNotice?: number
  /** the CID of the bundle, as text of 1 to 64 bytes */
  bundle: string
  programId?: string
}

/** What an instruction does, or undefined for data that is none of ours. */
export function instructionName(data: Uint8Array): InstructionName | undefined {
  return (Object.keys(TAGS) as InstructionName[]).find((name) => TAGS[name] === data[0])
}

/** Makes the account that `createTask` fills, in the same transaction. Payer and task sign; `lamports` is the rent exemption of TASK_BYTES. */
export function createTaskAccount(init: { payer: string; task: string; lamports: number; programId?: string }): TransactionInstruction {
  return SystemProgram.createAccount({
    fromPubkey: new PublicKey(init.payer),
    newAccountPubkey: new PublicKey(init.task),
    lamports: init.lamports,
    space: TASK_BYTES,
    programId: new PublicKey(init.programId ?? PROGRAM_ID)
  })
}

/** Task and manager sign. Throws InstructionArgumentError. */
export function createTask(init: CreateTaskInit): TransactionInstruction {
  const name = utf8('name', init.name, 0, MAX_NAME_BYTES)
  const bundle = utf8('bundle', init.bundle, 1, MAX_BUNDLE_BYTES)
  return instruction(
    init.programId,
    [writable(signer(init.task)), signer(init.manager)],
    [
      Uint8Array.of(TAGS.createTask),
      name,
      new Uint8Array(MAX_NAME_BYTES - name.length),
      u64('roundSlots', init.roundSlots),
      u64('submissionWindow', init.submissionWindow),
      u64('auditWindow', init.auditWindow),
      u64('startingSlot', init.startingSlot ?? 0),
      u64('bountyPerRound', init.bountyPerRound),
      u64('minStake', init.minStake),
      u64('largestSlash', within('largestSlash', init.largestSlash ?? DEFAULT_LARGEST_SLASH, 0, SLASH_UNITS)),
      u64('bundleNotice', within('bundleNotice', init.bundleNotice ?? DEFAULT_BUNDLE_NOTICE, 1, MAX_BUNDLE_NOTICE)),
      Uint8Array.of(bundle.length),
      bundle
    ]
  )
}

/** Puts `amount` into the pot; the payer signs. Throws InstructionArgumentError. */
export function fundTask(init: { task: string; payer: string; amount: bigint; programId?: string }): TransactionInstruction {
  return instruction(
    init.programId,
    [writable(readonly(init.task)), writable(signer(init.payer)), systemProgram()],
    [Uint8Array.of(TAGS.fundTask), u64('amount', init.amount)]
  )
}

/** Keys are base58, amounts in ROE. */
export interface UpdateTaskInit {
  task: string
  manager: string
  bountyPerRound: bigint
  minStake: bigint
  /** the CID of a new bundle; left out: the bundle stays */
  bundle?: string
  programId?: string
}

/** Changes the bounty from the next cycle on, the minimum stake at once, and the bundle after the task's notice. The manager signs. Throws InstructionArgumentError. */
export function updateTask(init: UpdateTaskInit): TransactionInstruction {
  const bundle = utf8('bundle', init.bundle ?? '', 0, MAX_BUNDLE_BYTES)
  return instruction(
    init.programId,
    [writable(readonly(init.task)), signer(init.manager)],
    [
      Uint8Array.of(TAGS.updateTask),
      u64('bountyPerRound', init.bountyPerRound),
      u64('minStake', init.minStake),
      Uint8Array.of(bundle.length),
      bundle
    ]
  )
}

/**
 * First: no work is done from the next cycle on. Again, three rounds later: pays the manager what lies in the pot and is
 * nobody's reward; what was slashed stays. The manager signs.
 */
export function closeTask(init: { task: string; manager: string; programId?: string }): TransactionInstruction {
  return instruction(init.programId, [writable(readonly(init.task)), writable(signer(init.manager))], [Uint8Array.of(TAGS.closeTask)])
}

/** Keys are base58, the amount in ROE. */
export interface StakeInit {
  task: string
  /** who signs for the stake; for a first stake it becomes the staker */
  stakingKey: string
  /** who staked first, where its key was replaced since; default: the staking key */
  staker?: string
  /** whose money it is; may be the staking key */
  payer: string
  amount: bigint
  /** where rewards and, one day, the stake go; for a top-up the one that the account names */
  withdrawAuthority: string
  /** a multiaddr at which newcomers find this node; left out: as it was */
  addressHint?: string
  /** false for a top-up by someone who has not got the staking key */
  stakingKeySigns?: boolean
  programId?: string
}

/** Stakes, or adds to a stake; payer and staking key sign. Throws InstructionArgumentError. */
export function stake(init: StakeInit): TransactionInstruction {
  const hint = utf8('addressHint', init.addressHint ?? '', 0, MAX_HINT_BYTES)
  const address = stakeAddress({ ...definedProgram(init.programId), task: init.task, staker: init.staker ?? init.stakingKey })
  return instruction(
    init.programId,
    [
      writable(readonly(init.task)),
      writable(readonly(address)),
      init.stakingKeySigns === false ? readonly(init.stakingKey) : signer(init.stakingKey),
      writable(signer(init.payer)),
      systemProgram()
    ],
    [
      Uint8Array.of(TAGS.stake),
      u64('amount', init.amount),
      new PublicKey(init.withdrawAuthority).toBytes(),
      Uint8Array.of(hint.length),
      hint
    ]
  )
}

/** A stake in a task, and the key that its money belongs to. Keys are base58. */
export interface OwnStake {
  task: string
  staker: string
  /** the one that the stake account names; signs */
  withdrawAuthority: string
  programId?: string
}

/** Takes `amount` out of the stake from the next cycle on; it can be withdrawn from the account's unlock slot on. Throws InstructionArgumentError. */
export function unstake(init: OwnStake & { amount: bigint }): TransactionInstruction {
  return instruction(
    init.programId,
    [...stakeMetas(init), signer(init.withdrawAuthority)],
    [Uint8Array.of(TAGS.unstake), u64('amount', init.amount)]
  )
}

/**
 * Pays out what was unstaked. With `close` the account and its rent go too, which needs a closed task whose last cycle is decided and
 * gives up what was not claimed.
 */
export function withdraw(init: OwnStake & { close?: boolean }): TransactionInstruction {
  return instruction(
    init.programId,
    [...stakeMetas(init), writable(signer(init.withdrawAuthority))],
    [Uint8Array.of(TAGS.withdraw, init.close === true ? 1 : 0)]
  )
}

/** Another key signs for the stake from now on; it signs this too. */
export function replaceStakingKey(init: OwnStake & { newStakingKey: string }): TransactionInstruction {
  return instruction(
    init.programId,
    [...stakeMetas(init), signer(init.withdrawAuthority), signer(init.newStakingKey)],
    [Uint8Array.of(TAGS.replaceStakingKey)]
  )
}

/** Sets the multiaddr at which newcomers find this node, or with '' takes it away; the staking key signs. Throws InstructionArgumentError. */
export function setAddressHint(init: {
  task: string
  stakingKey: string
  /** default: the staking key */
  staker?: string
  addressHint: string
  programId?: string
}): TransactionInstruction {
  const hint = utf8('addressHint', init.addressHint, 0, MAX_HINT_BYTES)
  return instruction(
    init.programId,
    [...stakeMetas({ ...init, staker: init.staker ?? init.stakingKey }), signer(init.stakingKey)],
    [Uint8Array.of(TAGS.setAddressHint, hint.length), hint]
  )
}

/** A staker's line of the finalized ledger, with its proof. Keys are base58, hashes 32 bytes, amounts in ROE. */
export interface LedgerLine {
  task: string
  staker: string
  /** as the ledger has them: since the task began */
  reward: bigint
  slash: bigint
  /** from the leaf's sibling upward, at most 24 */
  proof: readonly Uint8Array[]
  programId?: string
}

export interface ClaimInit extends LedgerLine {
  /** the one that the stake account names: it is paid */
  withdrawAuthority: string
}

/** Pays what is due; nobody but the fee payer signs. Throws InstructionArgumentError. */
export function claim(init: ClaimInit): TransactionInstruction {
  return instruction(init.programId, [...stakeMetas(init), writable(readonly(init.withdrawAuthority))], ledgerLine(TAGS.claim, init))
}

/**
 * Takes what the ledger says out of a stake, the task's largest slash at most and once for each finalized cycle; it goes to nobody.
 * Nobody but the fee payer signs. Throws InstructionArgumentError. */
export function applySlash(init: LedgerLine): TransactionInstruction {
  return instruction(init.programId, stakeMetas(init), ledgerLine(TAGS.applySlash, init))
}

/** Whether an instruction is an _apply slash_ and nothing else. */
export function isApplySlash({ keys, data }: TransactionInstruction): boolean {
  const hashes = data[17] ?? MAX_PROOF_HASHES + 1
  return data[0] === TAGS.applySlash && hashes <= MAX_PROOF_HASHES && data.length === 18 + 32 * hashes && keys.length === 2
}

function ledgerLine(tag: number, { reward, slash, proof }: LedgerLine): Uint8Array[] {
  if (proof.length > MAX_PROOF_HASHES) {
    throw new InstructionArgumentError('proof', `has ${counted(proof.length, 'hash', 'hashes')}, at most ${MAX_PROOF_HASHES} are taken`)
  }
  return [
    Uint8Array.of(tag),
    u64('reward', reward),
    u64('slash', slash),
    Uint8Array.of(proof.length),
    ...proof.map((node, index) => hash(`proof[${index}]`, node))
  ]
}
