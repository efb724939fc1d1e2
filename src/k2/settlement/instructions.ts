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
import { Ed25519Program, PublicKey, SYSVAR_INSTRUCTIONS_PUBKEY, SystemProgram, TransactionInstruction } from '@solana/web3.js'
import { TASK_BYTES } from './accounts.ts'
import { InstructionArgumentError } from './errors.ts'
import { PROGRAM_ID } from './program-id.ts'

export { PROGRAM_ID }

/** The first byte of each instruction's data. */
export const TAGS = {
  createTask: 0,
  fundTask: 1,
  updateTask: 2,
  closeTask: 3,
  stake: 4,
  unstake: 5,
  withdraw: 6,
  replaceStakingKey: 7,
  setAddressHint: 8,
  vote: 9,
  voteBatch: 10,
  claim: 11,
  applySlash: 12
} as const

/** An instruction of the program. */
export type InstructionName = keyof typeof TAGS

export const MAX_NAME_BYTES = 32
export const MAX_BUNDLE_BYTES = 64
/** of the address hint: a multiaddr's text */
export const MAX_HINT_BYTES = 127
export const MAX_PROOF_HASHES = 24
/** The most votes that the program takes in one batch. A transaction without address lookup tables holds 5. */
export const MAX_BATCH_VOTES = 8
const HASH_BYTES = 32
const SIGNATURE_BYTES = 64
const KEY_BYTES = 32
/** Keeps a signed vote apart from whatever else a staking key signs. */
const VOTE_DOMAIN = new TextEncoder().encode('koii-mesh/vote/1')
const MAX_U64 = (1n << 64n) - 1n

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
  /** the CID of the bundle, as text of 1 to 64 bytes */
  bundle: string
  programId?: string
}

/** What an instruction does, or undefined for data that is none of ours. */
export function instructionName(data: Uint8Array): InstructionName | undefined {
  return (Object.keys(TAGS) as InstructionName[]).find((name) => TAGS[name] === data[0])
}

/** The address of a staker's stake in a task. Slow (hashes until it finds one): keep the result. */
export function stakeAddress({ task, staker, programId = PROGRAM_ID }: { task: string; staker: string; programId?: string }): string {
  const seeds = [Buffer.from('stake'), new PublicKey(task).toBuffer(), new PublicKey(staker).toBuffer()]
  return PublicKey.findProgramAddressSync(seeds, new PublicKey(programId))[0].toBase58()
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

/** Changes what counts from the next cycle on; the minimum stake counts at once. The manager signs. Throws InstructionArgumentError. */
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
 * nobody's reward. The manager signs.
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

/** What a vote says. Hashes are 32 bytes, amounts in ROE. */
export interface VoteContent {
  cycle: number
  /** of the ledger; zeros while it is empty */
  root: Uint8Array
  /** sha2-256 of the record's block */
  recordDigest: Uint8Array
  /** all rewards since the task began, this cycle's included */
  totalRewards: bigint
}

function voteBytes({ cycle, root, recordDigest, totalRewards }: VoteContent): Uint8Array[] {
  return [u64('cycle', cycle), hash('root', root), hash('recordDigest', recordDigest), u64('totalRewards', totalRewards)]
}

/** Keys are base58, hashes 32 bytes, amounts in ROE. */
export interface VoteInit extends VoteContent {
  task: string
  stakingKey: string
  /** default: the staking key */
  staker?: string
  programId?: string
}

/** The final vote; the staking key signs. Throws InstructionArgumentError. */
export function vote(init: VoteInit): TransactionInstruction {
  return instruction(
    init.programId,
    [signer(init.stakingKey), ...stakeMetas({ ...init, staker: init.staker ?? init.stakingKey })],
    [Uint8Array.of(TAGS.vote), ...voteBytes(init)]
  )
}

/** What a staking key signs, so that somebody else can send its vote in a batch. Throws InstructionArgumentError. */
export function voteMessage(init: VoteContent & { task: string }): Uint8Array {
  return Buffer.concat([VOTE_DOMAIN, new PublicKey(init.task).toBytes(), ...voteBytes(init)])
}

/** A vote as others may send it: keys in base58, and the staking key's signature of `voteMessage`. */
export interface SignedVote {
  staker: string
  stakingKey: string
  signature: Uint8Array
}

export interface VoteBatchInit extends VoteContent {
  task: string
  /** 1 to MAX_BATCH_VOTES, all for this content */
  votes: readonly SignedVote[]
  /** how many instructions stand before these two in the transaction */
  before?: number
  programId?: string
}

/**
 * Several stakers' votes for one result in one transaction: the Ed25519 precompile's instruction and, right after it, the
 * program's. Only whoever pays the fee signs. Throws InstructionArgumentError.
 */
export function voteBatch(init: VoteBatchInit): [TransactionInstruction, TransactionInstruction] {
  const { votes, task, before = 0 } = init
  if (votes.length < 1 || votes.length > MAX_BATCH_VOTES) {
    throw new InstructionArgumentError('votes', `are ${votes.length}, 1 to ${MAX_BATCH_VOTES} are taken`)
  }
  const message = voteMessage(init)
  const offsetsBytes = 14
  const start = 2 + votes.length * offsetsBytes
  const precompile = Buffer.alloc(start + votes.length * (SIGNATURE_BYTES + KEY_BYTES))
  precompile[0] = votes.length
  for (const [index, { stakingKey, signature }] of votes.entries()) {
    if (signature.length !== SIGNATURE_BYTES) {
      throw new InstructionArgumentError(`votes[${index}].signature`, `has ${signature.length} bytes, a signature has ${SIGNATURE_BYTES}`)
    }
    const at = start + index * (SIGNATURE_BYTES + KEY_BYTES)
    // signature and key lie in the precompile's own data (0xffff), the message in the batch's, after its tag
    const offsets = [at, 0xffff, at + SIGNATURE_BYTES, 0xffff, 1, message.length, before + 1]
    for (const [field, value] of offsets.entries()) {
      precompile.writeUInt16LE(value, 2 + index * offsetsBytes + 2 * field)
    }
    precompile.set(signature, at)
    precompile.set(new PublicKey(stakingKey).toBytes(), at + SIGNATURE_BYTES)
  }
  const stakes = votes.map(({ staker }) => writable(readonly(stakeAddress({ ...definedProgram(init.programId), task, staker }))))
  return [
    new TransactionInstruction({ programId: Ed25519Program.programId, keys: [], data: precompile }),
    instruction(
      init.programId,
      [writable(readonly(task)), readonly(SYSVAR_INSTRUCTIONS_PUBKEY.toBase58()), ...stakes],
      [Uint8Array.of(TAGS.voteBatch), message]
    )
  ]
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

/** Takes what the ledger says out of a stake and puts it into the pot; nobody but the fee payer signs. Throws InstructionArgumentError. */
export function applySlash(init: LedgerLine): TransactionInstruction {
  return instruction(init.programId, stakeMetas(init), ledgerLine(TAGS.applySlash, init))
}

function ledgerLine(tag: number, { reward, slash, proof }: LedgerLine): Uint8Array[] {
  if (proof.length > MAX_PROOF_HASHES) {
    throw new InstructionArgumentError('proof', `has ${proof.length} hashes, at most ${MAX_PROOF_HASHES} are taken`)
  }
  return [
    Uint8Array.of(tag),
    u64('reward', reward),
    u64('slash', slash),
    Uint8Array.of(proof.length),
    ...proof.map((node, index) => hash(`proof[${index}]`, node))
  ]
}

/** How nearly every instruction begins: the task, and one stake in it. */
function stakeMetas(of: { task: string; staker: string; programId?: string }): Meta[] {
  return [
    writable(readonly(of.task)),
    writable(readonly(stakeAddress({ ...definedProgram(of.programId), task: of.task, staker: of.staker })))
  ]
}

interface Meta {
  pubkey: PublicKey
  isSigner: boolean
  isWritable: boolean
}

function readonly(key: string): Meta {
  return { pubkey: new PublicKey(key), isSigner: false, isWritable: false }
}

function signer(key: string): Meta {
  return { ...readonly(key), isSigner: true }
}

function writable(meta: Meta): Meta {
  return { ...meta, isWritable: true }
}

function systemProgram(): Meta {
  return { pubkey: SystemProgram.programId, isSigner: false, isWritable: false }
}

function definedProgram(programId: string | undefined): { programId?: string } {
  return programId == null ? {} : { programId }
}

function instruction(programId: string | undefined, keys: Meta[], data: Uint8Array[]): TransactionInstruction {
  return new TransactionInstruction({ programId: new PublicKey(programId ?? PROGRAM_ID), keys, data: Buffer.concat(data) })
}

function u64(argument: string, value: bigint | number): Uint8Array {
  if (typeof value === 'number' && !Number.isSafeInteger(value)) {
    throw new InstructionArgumentError(argument, `is ${value}, which is not a whole number`)
  }
  const whole = BigInt(value)
  if (whole < 0n || whole > MAX_U64) {
    throw new InstructionArgumentError(argument, `is ${value}, outside 0 to 2^64 - 1`)
  }
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, whole, true)
  return bytes
}

function hash(argument: string, value: Uint8Array): Uint8Array {
  if (value.length !== HASH_BYTES) {
    throw new InstructionArgumentError(argument, `has ${value.length} bytes, a hash has ${HASH_BYTES}`)
  }
  return value
}

function utf8(argument: string, text: string, min: number, max: number): Uint8Array {
  if (!text.isWellFormed()) {
    throw new InstructionArgumentError(argument, 'holds half of a character, which has no UTF-8')
  }
  const bytes = new TextEncoder().encode(text)
  if (bytes.length < min || bytes.length > max) {
    throw new InstructionArgumentError(argument, `has ${bytes.length} bytes, ${min} to ${max} are allowed`)
  }
  return bytes
}

/** The cycle of a vote, or of a batch of votes, by its data. @throws InstructionArgumentError past 2^53 */
export function voteCycle(name: 'vote' | 'voteBatch', data: Uint8Array): number {
  const cycle = Buffer.from(data).readBigUInt64LE(name === 'vote' ? 1 : 1 + VOTE_DOMAIN.length + KEY_BYTES)
  if (cycle > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new InstructionArgumentError('cycle', `is ${cycle}, past 2^53`)
  }
  return Number(cycle)
}
