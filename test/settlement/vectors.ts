/**
 * Judges the settlement program's test vectors, for test/vectors.spec.ts. Their form is in
 * protocols/settlement/README.md, "Vectors"; the proofs are put to the program itself.
 */
import { PublicKey } from '@solana/web3.js'
import { expect } from 'chai'
import {
  claim,
  createTask,
  decodeStake,
  decodeTask,
  fundTask,
  STAKE_BYTES,
  type StakeAccount,
  stake,
  stakeAddress,
  TASK_BYTES,
  type TaskAccount,
  vote
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
      accounts?: Array<{ address: string; signer: boolean; writable: boolean }>
      data?: string
    })
  | (Head & { kind: 'ledger'; task: string; entries: JsonEntry[]; root: string; proofs: Record<string, string[]> })
  | (Head & { kind: 'proof'; task: string; staker: string; reward: string; slash: string; leaf: string; proof: string[]; root: string })

interface JsonEntry {
  staker: string
  reward: string
  slash: string
}

const BUILDERS = { createTask, fundTask, stake, vote, claim }
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
  const parsed = Object.fromEntries(
    Object.entries(vector.arguments).map(([name, value]) => {
      if (AMOUNTS.includes(name)) {
        return [name, BigInt(value as string)]
      }
      if (name === 'proof') {
        return [name, (value as string[]).map(bytes)]
      }
      return [name, name === 'root' || name === 'recordDigest' ? bytes(value as string) : value]
    })
  )
  const build = BUILDERS[vector.instruction] as (init: Record<string, unknown>) => ReturnType<typeof vote>
  if (vector.expect !== 'ok') {
    expect(() => build(parsed))
      .to.throw()
      .with.property('name', vector.expect)
    return
  }
  const { data, keys } = build(parsed)
  expect(hex(data)).to.equal(vector.data)
  const accounts = keys.map(({ pubkey, isSigner, isWritable }) => ({ address: pubkey.toBase58(), signer: isSigner, writable: isWritable }))
  expect(accounts).to.deep.equal(vector.accounts)
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
