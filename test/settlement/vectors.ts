/**
 * Judges the settlement program's test vectors, for test/vectors.spec.ts. Their form is in
 * protocols/settlement/README.md, "Vectors"; the proofs are put to the program itself.
 */
import { Keypair, PublicKey, SystemProgram, TransactionInstruction } from '@solana/web3.js'
import { expect } from 'chai'
import { signEd25519 } from '../../src/identity/index.ts'
import {
  applySlash,
  claim,
  closeTask,
  createTask,
  decodeStake,
  decodeTask,
  fundTask,
  PROGRAM_ID,
  replaceStakingKey,
  STAKE_BYTES,
  type StakeAccount,
  setAddressHint,
  stake,
  stakeAddress,
  TASK_BYTES,
  type TaskAccount,
  unstake,
  updateTask,
  vote,
  voteBatch,
  voteMessage,
  withdraw
} from '../../src/k2/settlement/index.ts'
import { buildLedger, climb, leafHash } from './ledger.ts'
import { Vm } from './vm.ts'

interface Head {
  description: string
  /** "ok" or the name of the error */
  expect: string
}

/** Bytes are hex, keys base58, amounts decimal strings. */
export type Vector =
  | (Head & { kind: 'account'; account: 'task' | 'stake'; address: string; data: string; fields?: Record<string, unknown> })
  | (Head & {
      kind: 'instruction'
      instruction: keyof typeof BUILDERS
      arguments: Record<string, unknown>
      accounts?: JsonMeta[]
      data?: string
    })
  | (Head & {
      kind: 'batch'
      task: string
      /** what all of them vote for */
      content: Record<string, unknown>
      message: string
      /** keys for tests alone, published here */
      votes: Array<{ seed: string; staker: string; stakingKey: string; signature: string }>
      before: number
      instructions: Array<{ program: string; accounts: JsonMeta[]; data: string }>
    })
  | (Head & { kind: 'ledger'; task: string; entries: JsonEntry[]; root: string; proofs: Record<string, string[]> })
  | (Head & { kind: 'proof'; task: string; staker: string; reward: string; slash: string; leaf: string; proof: string[]; root: string })

interface JsonMeta {
  address: string
  signer: boolean
  writable: boolean
}

interface JsonEntry {
  staker: string
  reward: string
  slash: string
}

const BUILDERS = {
  createTask,
  fundTask,
  updateTask,
  closeTask,
  stake,
  unstake,
  withdraw,
  replaceStakingKey,
  setAddressHint,
  vote,
  claim,
  applySlash
}
const AMOUNTS = ['amount', 'bountyPerRound', 'minStake', 'totalRewards', 'reward', 'slash']

/** Throws when the code disagrees with the vector. */
export function judge(vector: Vector): void {
  switch (vector.kind) {
    case 'account':
      judgeAccount(vector)
      return
    case 'instruction':
      judgeInstruction(vector)
      return
    case 'batch':
      judgeBatch(vector)
      return
    case 'ledger': {
      const { root, proofs } = buildLedger(vector.task, vector.entries.map(parseEntry))
      expect(hex(root)).to.equal(vector.root)
      expect(Object.fromEntries([...proofs].map(([staker, proof]) => [staker, proof.map(hex)]))).to.deep.equal(vector.proofs)
      return
    }
    case 'proof': {
      expect(hex(leafHash(vector.task, parseEntry(vector)))).to.equal(vector.leaf)
      const leads = hex(climb(bytes(vector.leaf), vector.proof.map(bytes))) === vector.root
      expect(leads).to.equal(vector.expect === 'ok' || vector.expect === 'ProofTooLongError')
      expect(claimOnVm(vector)).to.equal(vector.expect)
      return
    }
    default:
      throw new Error(`unknown kind of vector: ${JSON.stringify(vector)}`)
  }
}

function judgeAccount(vector: Vector & { kind: 'account' }): void {
  const decode = (): TaskAccount | StakeAccount =>
    vector.account === 'task' ? decodeTask(vector.address, bytes(vector.data)) : decodeStake(vector.address, bytes(vector.data))
  if (vector.expect === 'ok') {
    expect(plain(decode())).to.deep.equal(vector.fields)
  } else {
    expect(decode).to.throw().with.property('name', vector.expect)
  }
}

function judgeInstruction(vector: Vector & { kind: 'instruction' }): void {
  const parsed = parseArguments(vector.arguments)
  const build = BUILDERS[vector.instruction] as (init: Record<string, unknown>) => ReturnType<typeof vote>
  if (vector.expect !== 'ok') {
    expect(() => build(parsed))
      .to.throw()
      .with.property('name', vector.expect)
    return
  }
  const { data, keys } = build(parsed)
  expect(hex(data)).to.equal(vector.data)
  expect(metas(keys)).to.deep.equal(vector.accounts)
}

function judgeBatch(vector: Vector & { kind: 'batch' }): void {
  const { task, before } = vector
  const content = { ...(parseArguments(vector.content) as unknown as Parameters<typeof voteMessage>[0]), task }
  const message = voteMessage(content)
  expect(hex(message)).to.equal(vector.message)
  const votes = vector.votes.map(({ staker, stakingKey, signature }) => ({ staker, stakingKey, signature: bytes(signature) }))
  for (const { seed, stakingKey, signature } of vector.votes) {
    const key = Keypair.fromSeed(bytes(seed))
    expect(key.publicKey.toBase58()).to.equal(stakingKey)
    expect(hex(signEd25519(message, key.secretKey))).to.equal(signature)
  }
  const built = voteBatch({ ...content, task, votes, before }).map(({ programId, keys, data }) => ({
    program: programId.toBase58(),
    accounts: metas(keys),
    data: hex(data)
  }))
  if (vector.expect === 'ok') {
    expect(built).to.deep.equal(vector.instructions)
  } else {
    expect(built).to.not.deep.equal(vector.instructions)
  }
  expect(batchOnVm(vector, content.cycle)).to.equal(vector.expect)
}

function parseArguments(given: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(given).map(([name, value]) => {
      if (AMOUNTS.includes(name)) {
        return [name, BigInt(value as string)]
      }
      if (name === 'proof') {
        return [name, (value as string[]).map(bytes)]
      }
      return [name, name === 'root' || name === 'recordDigest' ? bytes(value as string) : value]
    })
  )
}

function metas(keys: TransactionInstruction['keys']): JsonMeta[] {
  return keys.map(({ pubkey, isSigner, isWritable }) => ({ address: pubkey.toBase58(), signer: isSigner, writable: isWritable }))
}

/** What the program says to the two instructions, on a task in which each of the stakers has 1,000 ROE. */
function batchOnVm({ task, votes, before, instructions }: Vector & { kind: 'batch' }, cycle: number): string {
  const vm = new Vm()
  const taskData = Buffer.alloc(TASK_BYTES)
  taskData.set([1, 1])
  taskData.writeBigUInt64LE(1n, 72) // a round is one slot
  taskData.writeBigUInt64LE(10n ** 9n, 232) // bounty
  taskData.writeBigUInt64LE(1000n * BigInt(votes.length), 296)
  taskData.writeBigUInt64LE(10n ** 9n, 360) // funded
  vm.plant(task, { lamports: 10n ** 12n, owner: vm.programId, data: taskData })
  for (const { staker, stakingKey } of votes) {
    const data = Buffer.alloc(STAKE_BYTES)
    data.set([2, 1])
    for (const [offset, key] of [
      [8, task],
      [40, staker],
      [72, stakingKey]
    ] as const) {
      data.set(keyBytes(key), offset)
    }
    data.writeBigUInt64LE(1000n, 136)
    vm.plant(stakeAddress({ task, staker }), { lamports: 10n ** 12n, owner: vm.programId, data })
  }
  vm.warp(cycle + 2)
  const sender = vm.wallet()
  const nothing = () => SystemProgram.transfer({ fromPubkey: sender.publicKey, toPubkey: sender.publicKey, lamports: 1 })
  const both = instructions.map(
    ({ program, accounts, data }) =>
      new TransactionInstruction({
        programId: new PublicKey(program),
        keys: accounts.map(({ address, signer, writable }) => ({
          pubkey: new PublicKey(address),
          isSigner: signer,
          isWritable: writable
        })),
        data: Buffer.from(bytes(data))
      })
  )
  expect(instructions.at(-1)!.program).to.equal(PROGRAM_ID)
  return vm.send([...Array.from({ length: before }, nothing), ...both], sender).verdict
}

/** What the program says to the claim, on a task whose finalized root is the vector's. */
function claimOnVm({ task, staker, reward, slash, proof, root }: Vector & { kind: 'proof' }): string {
  const vm = new Vm()
  const authority = vm.wallet()
  const at = stakeAddress({ task, staker })
  const taskData = Buffer.alloc(TASK_BYTES)
  taskData.set([1, 1])
  taskData.writeBigUInt64LE(1n, 72) // a round has slots
  taskData.writeBigUInt64LE(1n, 152) // cycle 0 is finalized
  taskData.set(bytes(root), 160)
  taskData.writeBigUInt64LE(BigInt(reward), 224)
  const stakeData = Buffer.alloc(STAKE_BYTES)
  stakeData.set([2, 1])
  stakeData.set(keyBytes(task), 8)
  stakeData.set(keyBytes(staker), 40)
  stakeData.set(authority.publicKey.toBytes(), 104)
  vm.plant(task, { lamports: 10n ** 12n, owner: vm.programId, data: taskData })
  vm.plant(at, { lamports: 10n ** 12n, owner: vm.programId, data: stakeData })
  const instruction = claim({
    task,
    staker,
    withdrawAuthority: authority.publicKey.toBase58(),
    reward: BigInt(reward),
    slash: BigInt(slash),
    // the builder refuses what is too long: the program has to as well
    proof: proof.slice(0, 24).map(bytes)
  })
  instruction.data = Buffer.concat([instruction.data, ...proof.slice(24).map(bytes)])
  instruction.data.writeUInt8(proof.length, 17)
  return vm.send(instruction, authority).verdict
}

function keyBytes(key: string): Uint8Array {
  return new PublicKey(key).toBytes()
}

function parseEntry({ staker, reward, slash }: JsonEntry): { staker: string; reward: bigint; slash: bigint } {
  return { staker, reward: BigInt(reward), slash: BigInt(slash) }
}

/** As it stands in a vector: bytes hex, amounts decimal strings, what is undefined left out. */
function plain(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? String(part) : part instanceof Uint8Array ? hex(part) : part))
  )
}

export function bytes(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'hex'))
}

export function hex(value: Uint8Array): string {
  return Buffer.from(value).toString('hex')
}
