/** Final votes as instructions: one's own, and several stakers' in a batch. Layouts: protocols/settlement/README.md, "Vote" and "Vote batch". */
import { Ed25519Program, PublicKey, SYSVAR_INSTRUCTIONS_PUBKEY, TransactionInstruction } from '@solana/web3.js'
import { InstructionArgumentError } from './errors.ts'
import { definedProgram, hash, instruction, readonly, signer, stakeAddress, stakeMetas, TAGS, u64, writable } from './layout.ts'

/** The most votes that the program takes in one batch. A transaction without address lookup tables holds 5. */
export const MAX_BATCH_VOTES = 8
const SIGNATURE_BYTES = 64
const KEY_BYTES = 32
/** Where the precompile finds a signature, its key and what it signs. */
const OFFSETS_BYTES = 14
/** Tag, cycle, root, the record's digest, rewards. */
const VOTE_BYTES = 81
/** Keeps a signed vote apart from whatever else a staking key signs. */
const VOTE_DOMAIN = new TextEncoder().encode('koii-mesh/vote/1')

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
  const start = 2 + votes.length * OFFSETS_BYTES
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
      precompile.writeUInt16LE(value, 2 + index * OFFSETS_BYTES + 2 * field)
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

/** What a vote's instruction says, and who says it. @throws InstructionArgumentError, RangeError when it is none */
export function readVote({ keys, data }: TransactionInstruction): VoteContent & { task: string; stakingKey: string } {
  const bytes = Buffer.from(data)
  const [stakingKey, task] = keys
  if (bytes[0] !== TAGS.vote || bytes.length !== VOTE_BYTES || stakingKey?.isSigner !== true || task == null || keys.length !== 3) {
    throw new InstructionArgumentError('vote', `has ${bytes.length} bytes and ${keys.length} accounts, and is none`)
  }
  return { task: task.pubkey.toBase58(), stakingKey: stakingKey.pubkey.toBase58(), ...contentAt(bytes, 1) }
}

function contentAt(bytes: Buffer, at: number): VoteContent {
  return {
    cycle: cycleIn(bytes, at),
    root: new Uint8Array(bytes.subarray(at + 8, at + 40)),
    recordDigest: new Uint8Array(bytes.subarray(at + 40, at + 72)),
    totalRewards: bytes.readBigUInt64LE(at + 72)
  }
}

/** What `voteMessage` says. @throws InstructionArgumentError when the bytes are none */
export function readVoteMessage(bytes: Uint8Array): VoteContent & { task: string } {
  const buffer = Buffer.from(bytes)
  const at = VOTE_DOMAIN.length + KEY_BYTES
  if (buffer.length !== at + VOTE_BYTES - 1 || !buffer.subarray(0, VOTE_DOMAIN.length).equals(VOTE_DOMAIN)) {
    throw new InstructionArgumentError('vote', `of ${buffer.length} bytes is none`)
  }
  return { task: new PublicKey(buffer.subarray(VOTE_DOMAIN.length, at)).toBase58(), ...contentAt(buffer, at) }
}

/**
 * Whether two instructions are a batch of votes, of which nothing is left open: the very pair that `voteBatch` makes of them.
 *
 * @param before how many instructions stand before the two
 * @throws InstructionArgumentError when they are not
 */
export function demandVoteBatch(precompile: TransactionInstruction, batch: TransactionInstruction, before: number): void {
  const data = Buffer.from(precompile.data)
  const count = data[0] ?? 0
  const start = 2 + count * OFFSETS_BYTES
  if (
    count < 1 ||
    count > MAX_BATCH_VOTES ||
    data.length !== start + count * (SIGNATURE_BYTES + KEY_BYTES) ||
    batch.data[0] !== TAGS.voteBatch
  ) {
    throw new InstructionArgumentError('votes', `are ${count} in ${data.length} bytes, which no batch is`)
  }
  const content = readVoteMessage(batch.data.subarray(1))
  const votes = Array.from({ length: count }, (_, index) => {
    const at = start + index * (SIGNATURE_BYTES + KEY_BYTES)
    const stakingKey = new PublicKey(data.subarray(at + SIGNATURE_BYTES, at + SIGNATURE_BYTES + KEY_BYTES)).toBase58()
    return { staker: stakingKey, stakingKey, signature: new Uint8Array(data.subarray(at, at + SIGNATURE_BYTES)) }
  })
  const [same] = voteBatch({ ...content, votes, before, programId: batch.programId.toBase58() })
  const isPlain = precompile.keys.length === 0 && batch.keys.length === 2 + count && batch.keys[0]!.pubkey.toBase58() === content.task
  if (!same.data.equals(data) || !isPlain) {
    throw new InstructionArgumentError('votes', 'are not put together as a batch is')
  }
}

/** The cycle of a vote, or of a batch of votes, by its data. @throws InstructionArgumentError past 2^53 */
export function voteCycle(name: 'vote' | 'voteBatch', data: Uint8Array): number {
  return cycleIn(Buffer.from(data), name === 'vote' ? 1 : 1 + VOTE_DOMAIN.length + KEY_BYTES)
}

function cycleIn(bytes: Buffer, at: number): number {
  const cycle = bytes.readBigUInt64LE(at)
  if (cycle > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new InstructionArgumentError('cycle', `is ${cycle}, past 2^53`)
  }
  return Number(cycle)
}
