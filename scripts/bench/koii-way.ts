/**
 * One round done as Koii's own nodes do it, in the instruction layouts of KOII.md part B (native task program), as unsigned
 * transactions with the keys that have to sign. The program's binary is not public, so `koii-stand-in.so` takes its place.
 */
import { PublicKey, SYSVAR_CLOCK_PUBKEY, TransactionInstruction } from '@solana/web3.js'
import { BenchError } from './result.ts'

/** Koii's native task program. */
export const KOII_PROGRAM_ID = 'Koiitask22222222222222222222222222222222222'

const INDEX = {
  submitTask: 1,
  auditSubmissions: 2,
  auditDistribution: 3,
  payout: 4,
  uploadDistributionList: 11,
  submitDistributionList: 12
}
const BLOB_BYTES = 512
/** A chunk of the list: what a blob holds besides a u16 chunk number and a u16 chunk size. */
const CHUNK_BYTES = BLOB_BYTES - 4
/** Newer task wrappers look at no more submissions than this. */
export const WRAPPER_AUDITS = 5

/** A node of Koii's: the main wallet pays every fee and signs first, the staking key signs what it says. */
export interface KoiiNode<Key> {
  wallet: Key
  staking: Key
}

export type KoiiKind = 'submission' | 'auditVote' | 'auditVoteBeyond5' | 'listChunk' | 'listSubmission' | 'listVote' | 'payout'

export interface KoiiTransaction<Key> {
  kind: KoiiKind
  instruction: TransactionInstruction
  /** The first one pays. */
  signers: Key[]
}

export interface KoiiRoundInit<Key> {
  task: string
  round: number
  nodes: ReadonlyArray<KoiiNode<Key>>
  /** Paid out in the round, ROE. */
  bounty: bigint
  submission: (node: number) => string
}

/**
 * Every transaction that a round can take: all submissions, each node's vote on every other's submission, the list in chunks,
 * its submission, every other node's vote on it, and the payout. A round in which nobody contests anything takes no votes.
 *
 * @throws BenchError on a submission that does not fit
 */
export function koiiRound<Key extends { address: string }>(init: KoiiRoundInit<Key>): Array<KoiiTransaction<Key>> {
  const { task, round, nodes, bounty } = init
  const transactions: Array<KoiiTransaction<Key>> = []
  const add = (kind: KoiiKind, signers: Key[], keys: Meta[], data: Uint8Array[]) =>
    transactions.push({
      kind,
      signers,
      instruction: new TransactionInstruction({ programId: new PublicKey(KOII_PROGRAM_ID), keys, data: Buffer.concat(data) })
    })
  const clock = meta(SYSVAR_CLOCK_PUBKEY.toBase58())

  for (const [at, { wallet, staking }] of nodes.entries()) {
    add(
      'submission',
      [wallet, staking],
      [meta(task, 'W'), meta(staking.address, 'SW'), clock],
      [Uint8Array.of(INDEX.submitTask), padded(init.submission(at)), int64(round)]
    )
  }
  for (const [at, { wallet, staking }] of nodes.entries()) {
    const others = nodes.filter((_, other) => other !== at)
    for (const [count, other] of others.entries()) {
      add(
        count < WRAPPER_AUDITS ? 'auditVote' : 'auditVoteBeyond5',
        [wallet, staking],
        [meta(task, 'W'), meta(staking.address, 'SW'), meta(other.staking.address), clock],
        [Uint8Array.of(INDEX.auditSubmissions), int64(1), int64(round)]
      )
    }
  }
  // the one whom the selection names uploads; its staking account holds the list
  const [uploader, ...others] = nodes
  if (uploader == null) {
    throw new BenchError('a round needs nodes')
  }
  const both = [uploader.wallet, uploader.staking]
  for (const [number, chunk] of chunksOf(distributionList(nodes, bounty)).entries()) {
    add(
      'listChunk',
      both,
      [meta(task), meta(uploader.staking.address, 'SW')],
      [Uint8Array.of(INDEX.uploadDistributionList), uint16(number), uint16(CHUNK_BYTES), chunk]
    )
  }
  add(
    'listSubmission',
    both,
    // the submitter and the data account are one account, named in both places
    [meta(task, 'W'), meta(uploader.staking.address, 'SW'), meta(uploader.staking.address, 'SW'), clock],
    [Uint8Array.of(INDEX.submitDistributionList), int64(round)]
  )
  for (const { wallet, staking } of others) {
    add(
      'listVote',
      [wallet, staking],
      [meta(task, 'W'), meta(staking.address, 'SW'), meta(uploader.staking.address, 'W'), clock],
      [Uint8Array.of(INDEX.auditDistribution), int64(1), int64(round)]
    )
  }
  add(
    'payout',
    [uploader.wallet],
    [meta(task, 'W'), clock, meta(uploader.staking.address, 'W')],
    [Uint8Array.of(INDEX.payout), int64(round)]
  )
  return transactions
}

/** The list as the tasks write it: a JSON object of staking key to whole ROE. */
export function distributionList(nodes: ReadonlyArray<KoiiNode<{ address: string }>>, bounty: bigint): Uint8Array {
  const share = Number(bounty / BigInt(nodes.length))
  return Buffer.from(JSON.stringify(Object.fromEntries(nodes.map(({ staking }) => [staking.address, share]))))
}

/** Chunks of 508 bytes, the last one filled up with zeros. */
export function chunksOf(list: Uint8Array): Uint8Array[] {
  return Array.from({ length: Math.ceil(list.length / CHUNK_BYTES) }, (_, at) => {
    const chunk = new Uint8Array(CHUNK_BYTES)
    chunk.set(list.subarray(at * CHUNK_BYTES, (at + 1) * CHUNK_BYTES))
    return chunk
  })
}

interface Meta {
  pubkey: PublicKey
  isSigner: boolean
  isWritable: boolean
}

function meta(key: string, flags: '' | 'W' | 'SW' = ''): Meta {
  return { pubkey: new PublicKey(key), isSigner: flags.includes('S'), isWritable: flags.includes('W') }
}

function padded(text: string): Uint8Array {
  const bytes = Buffer.from(text)
  if (bytes.length > BLOB_BYTES) {
    throw new BenchError(`a submission of ${bytes.length} bytes: Koii takes at most ${BLOB_BYTES}`)
  }
  return Buffer.concat([bytes, Buffer.alloc(BLOB_BYTES - bytes.length, ' ')])
}

function int64(value: number): Uint8Array {
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64LE(BigInt(value))
  return bytes
}

function uint16(value: number): Uint8Array {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16LE(value)
  return bytes
}
