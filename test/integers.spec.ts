/** Every whole number that the house writes down comes back as it was, or is refused: each codec beside protobuf's (test/wire). */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as dagCbor from '@ipld/dag-cbor'
import { Keypair } from '@solana/web3.js'
import { expect } from 'chai'
import fc from 'fast-check'
import { CID } from 'multiformats/cid'
import { koiiToRoe, roeToKoii } from '../src/config/index.ts'
import { parseJson, stringifyJson } from '../src/k2/json.ts'
import { decodeProgramData, PROGRAM_DATA_HEADER_BYTES } from '../src/k2/loader/accounts.ts'
import { createTask, createTaskAccount, fundTask, ringAt, TASK_BYTES, vote, voteCycle } from '../src/k2/settlement/index.ts'
import { encodeBase58 } from '../src/local-k2/base58.ts'
import type { AccountChange } from '../src/local-k2/block.ts'
import { History } from '../src/local-k2/history.ts'
import { toLine } from '../src/observe/index.ts'
import { decodeMessage } from '../src/proofs/bitswap/message.ts'
import { MalformedFrameError } from '../src/proofs/errors.ts'
import {
  encodeLedger,
  type Ledger,
  merkleProof,
  merkleRoot,
  RecordMalformedError,
  readLedger,
  readRecord,
  verifyProof
} from '../src/record/index.ts'
import { encodeRecord } from '../src/record/record.ts'
import { openStore } from '../src/store/index.ts'
import { fromJson, ProofValueError, toJson } from '../src/tasks/child/values.ts'
import { U64_EDGES, U64_MAX, u53, u64 } from './edges.ts'
import { blockMap } from './record/cycle.ts'
import { b58, Scene, Vm } from './settlement/vm.ts'
import { alice, cidBytes, GENESIS, TASK } from './wire/people.ts'

const edges = U64_EDGES.map(([, value]) => value)
const some = fc.sample(u64(), 300)

describe('whole numbers of 64 bits', () => {
  let dir: string
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'koii-mesh-integers-'))
  })
  afterEach(() => rmSync(dir, { recursive: true, force: true }))

  it('in dag-cbor: ledgers', async () => {
    for (const amount of [...edges, ...some].filter((value) => value > 0n)) {
      for (const entry of [
        { reward: amount, slash: 0n },
        { reward: 0n, slash: amount }
      ]) {
        const ledger: Ledger = new Map([[alice.address, entry]])
        const blocks = encodeLedger(ledger, TASK)
        const read = await readLedger(blocks[0]!.cid, blockMap(blocks))
        expect(read.ledger.get(alice.address)).to.deep.equal(entry)
        expect([read.totalRewards, read.totalSlashed]).to.deep.equal([entry.reward, entry.slash])
        const proof = merkleProof(ledger, TASK, alice.address)!
        const of = { root: merkleRoot(ledger, TASK), taskId: TASK, staker: alice.address, proof }
        expect(verifyProof({ ...of, entry })).to.equal(true)
        expect(verifyProof({ ...of, entry: { ...entry, reward: entry.reward ^ 1n } })).to.equal(false)
      }
    }
  })

  it('in dag-cbor: records, with what they pay, take, and count', async () => {
    const base = {
      network: GENESIS,
      task: TASK,
      cycle: 3,
      previous: null,
      beacon: new Uint8Array(32),
      bounty: U64_MAX,
      messages: [],
      distribution: [],
      slashes: [],
      root: new Uint8Array(32),
      totalRewards: U64_MAX,
      totalSlashed: U64_MAX,
      ledger: CID.decode(cidBytes('ledger'))
    }
    const read = async (change: Partial<Parameters<typeof encodeRecord>[0]>) => {
      const blocks = encodeRecord({ ...base, ...change })
      return (await readRecord(blocks[0]!.cid, blockMap(blocks))).content
    }
    for (const amount of [...edges, ...some].filter((value) => value > 0n)) {
      const line = [{ staker: alice.address, amount }]
      expect((await read({ distribution: line })).distribution).to.deep.equal(line)
      expect((await read({ slashes: line })).slashes).to.deep.equal(line)
      const taken = [{ staker: alice.address, amount: -amount }]
      expect((await read({ distribution: taken })).distribution).to.deep.equal(taken)
      const totals = await read({ totalRewards: amount, totalSlashed: amount, bounty: amount })
      expect([totals.totalRewards, totals.totalSlashed, totals.bounty]).to.deep.equal([amount, amount, amount])
    }
    for (const cycle of fc.sample(u53(), 50)) {
      expect((await read({ cycle })).cycle).to.equal(cycle)
    }
    const [root] = encodeRecord(base)
    const fields = dagCbor.decode<Record<string, unknown>>(root!.bytes)
    for (const cycle of [2n ** 53n, U64_MAX, -1n, 0.5]) {
      const bytes = dagCbor.encode({ ...fields, cycle })
      const { cidOf } = await import('../src/record/blocks.ts')
      const cid = cidOf(bytes)
      const err = await readRecord(cid, async () => bytes).catch((error: unknown) => error)
      expect(err, `cycle ${cycle}`).to.be.instanceOf(RecordMalformedError)
    }
  })

  it('in the JSON between a node and its task, through a block', () => {
    const through = (value: unknown) => fromJson(JSON.parse(JSON.stringify(toJson(value, () => null))), () => null)
    for (const amount of [...edges, ...some].flatMap((value) => [value, -value])) {
      const said = through({ amount })
      expect(said).to.deep.equal({ amount })
      // a block gives a number where that is exact
      const { amount: kept } = dagCbor.decode<{ amount: number | bigint }>(dagCbor.encode<unknown>(said) as never)
      expect(BigInt(kept)).to.equal(amount)
      expect(through({ amount: kept })).to.deep.equal({ amount: kept })
    }
    for (const value of [2n ** 64n, -(2n ** 64n) - 1n, 2 ** 53, -(2 ** 53), 2 ** 64]) {
      expect(() => toJson(value, () => null), `${value}`).to.throw(ProofValueError)
      expect(() => fromJson(typeof value === 'bigint' ? { '/': { int: `${value}` } } : value, () => null), `${value}`).to.throw(
        ProofValueError
      )
    }
  })

  it('in the JSON of the RPC and in events', () => {
    for (const value of [...edges, ...some]) {
      const text = stringifyJson({ value, list: [value] })
      expect(text).to.equal(`{"value":${value},"list":[${value}]}`)
      expect(BigInt((parseJson(text) as { value: number | bigint }).value)).to.equal(value)
      expect(JSON.parse(toLine({ value }))).to.deep.equal({ value: `${value}` })
    }
  })

  it('on the command line: KOII to ROE and back', () => {
    for (const value of [...edges, ...some]) {
      expect(koiiToRoe(roeToKoii(value))).to.equal(value)
    }
    expect(() => koiiToRoe(roeToKoii(U64_MAX + 1n))).to.throw(RangeError, 'no amount of more than 18446744073.709551615 KOII')
  })

  it("in SQLite: the local K2's accounts and blocks", () => {
    const accounts: AccountChange[] = [...edges, ...some].map((lamports, i) => {
      const key = new Uint8Array(32).fill(1)
      key.set([i >> 8, i & 255], 0)
      const wallet = { owner: new Uint8Array(32), data: new Uint8Array(), executable: false, rentEpoch: U64_MAX }
      // a wallet, and what is more than a wallet: they are read in two ways
      return { key, state: { ...wallet, lamports, ...(i % 2 === 0 ? {} : { data: Uint8Array.of(1), rentEpoch: lamports }) } }
    })
    const open = () => new History({ dataDir: dir, keepBlocks: 1000, keepTransactions: 1000 })
    const blockhash = encodeBase58(new Uint8Array(32).fill(2))
    const block = {
      slot: 7,
      height: 1,
      parentSlot: 6,
      blockhash,
      previousBlockhash: blockhash,
      blockTimeS: 1,
      transactions: 0,
      totalTransactions: 0
    }
    const history = open()
    for (const [i, supply] of edges.entries()) {
      history.commit({ ...block, slot: 7 + i, height: 1 + i, supply }, [], i === 0 ? accounts : [])
    }
    history.close()
    const again = open()
    const found = new Map([...again.accounts()].map(({ key, state }) => [Buffer.from(key).toString('hex'), state]))
    for (const { key, state } of accounts) {
      const { lamports, rentEpoch } = found.get(Buffer.from(key).toString('hex'))!
      expect([lamports, rentEpoch]).to.deep.equal([state!.lamports, state!.rentEpoch])
    }
    expect(edges.map((_, i) => again.block(7 + i)!.supply)).to.deep.equal(edges)
    again.close()
  })

  it("in SQLite: the node's cycles and slots, below 2^53", () => {
    const wholes = [...new Set([...edges.filter((value) => value < 2n ** 53n).map(Number), ...fc.sample(u53(), 50)])]
    const store = openStore({ dir })
    for (const value of wholes) {
      store.messages.put('task', { id: `${value}`, cycle: value, slot: value, bytes: Uint8Array.of(1) })
      store.cycles.merge('task', value, { total: `${value}` })
      store.signerLog.put('task', value, 'submission', `hash of ${value}`, new Uint8Array(1))
    }
    store.close()
    const again = openStore({ dir })
    const loaded = again.messages.load('task', 0)
    expect(loaded.map(({ cycle, slot }) => [cycle, slot]).sort()).to.deep.equal(wholes.map((value) => [value, value]).sort())
    expect(again.cycles.list('task', 1000).map(({ cycle }) => cycle)).to.have.members(wholes)
    for (const value of wholes) {
      expect(again.signerLog.get('task', value, 'submission')).to.equal(`hash of ${value}`)
    }
    again.close()
  })

  it('in the program on K2: accounts hold them, and no vote above the bounty wraps below it', () => {
    const vm = new Vm()
    const payer = vm.wallet()
    for (const amount of edges.slice(1)) {
      const key = Keypair.generate()
      const task = b58(key)
      const amounts = { bountyPerRound: amount, minStake: amount }
      const windows = { roundSlots: 30, submissionWindow: 10, auditWindow: 10, startingSlot: vm.slot + 10 }
      const { error } = vm.send(
        [
          createTaskAccount({ payer: b58(payer), task, lamports: vm.rentExemption(TASK_BYTES) }),
          createTask({ task, manager: b58(payer), name: 'a task', ...windows, ...amounts, bundle: 'bafkrei' })
        ],
        payer,
        key
      )
      expect(error).to.equal(undefined)
      const { bounty, minStake } = vm.task(task)
      expect([ringAt(bounty, 0), minStake]).to.deep.equal([amount, amount])
    }
    const scene = new Scene({ stakes: [1000n, 1000n] })
    const { key, staker } = scene.members[0]!
    scene.toVote(0)
    for (const total of edges
      .slice(1)
      .flatMap((value) => [value, value + 5n])
      .filter((value) => value <= U64_MAX)) {
      const said = { cycle: 0, root: new Uint8Array(32).fill(1), recordDigest: new Uint8Array(32).fill(2), totalRewards: total }
      const { error } = scene.vm.send(vote({ task: scene.task, stakingKey: staker, ...said }), key)
      expect((error as Error | undefined)?.name, `${total}`).to.equal('RewardsAboveBountyError')
    }
  })

  it('in instructions: 8 bytes, or a refusal', () => {
    const root = new Uint8Array(32)
    for (const amount of [...edges, ...some]) {
      expect(fundTask({ task: TASK, payer: GENESIS, amount }).data.readBigUInt64LE(1)).to.equal(amount)
      const cast = (cycle: number) => vote({ task: TASK, stakingKey: GENESIS, cycle, root, recordDigest: root, totalRewards: amount })
      expect(cast(1).data.readBigUInt64LE(73)).to.equal(amount)
      if (amount < 2n ** 53n) {
        expect(voteCycle('vote', cast(Number(amount)).data)).to.equal(Number(amount))
      } else {
        expect(() => cast(Number(amount)))
          .to.throw()
          .with.property('name', 'InstructionArgumentError')
      }
    }
    for (const amount of [-1n, 2n ** 64n]) {
      expect(() => fundTask({ task: TASK, payer: GENESIS, amount }))
        .to.throw()
        .with.property('name', 'InstructionArgumentError')
    }
  })

  it('in accounts and instructions of others: exact, or a refusal', () => {
    const programData = (slot: bigint) => {
      const data = Buffer.alloc(PROGRAM_DATA_HEADER_BYTES + 8)
      data.writeUInt32LE(3)
      data.writeBigUInt64LE(slot, 4)
      return data
    }
    const ballot = (cycle: bigint) => {
      const data = Buffer.alloc(81)
      data.writeBigUInt64LE(cycle, 1)
      return data
    }
    for (const value of [...edges, ...some]) {
      const slot = () => decodeProgramData(TASK, programData(value)).slot
      const cycle = () => voteCycle('vote', ballot(value))
      if (value < 2n ** 53n) {
        expect([slot(), cycle()]).to.deep.equal([Number(value), Number(value)])
      } else {
        expect(slot).to.throw().with.property('name', 'ProgramAccountError')
        expect(cycle).to.throw().with.property('name', 'InstructionArgumentError')
      }
    }
  })

  it('in Bitswap messages: up to 64 bits, in as many bytes as they need', () => {
    const varint = (value: bigint): number[] => (value < 128n ? [Number(value)] : [Number(value & 127n) | 128, ...varint(value >> 7n)])
    // a want with a priority, which is read over
    const want = (priority: number[]) => {
      const entry = [0x0a, 1, 7, 0x10, ...priority]
      return Uint8Array.from([0x0a, entry.length + 2, 0x0a, entry.length, ...entry])
    }
    for (const value of [...edges, ...some]) {
      expect(decodeMessage(want(varint(value))).wants).to.have.length(1)
      const long = varint(value).map((byte, at, all) => (at === all.length - 1 ? byte | 128 : byte))
      expect(() => decodeMessage(want([...long, 0])), `${value}`).to.throw(MalformedFrameError)
    }
    for (const value of [2n ** 64n, 2n ** 70n - 1n, 2n ** 70n]) {
      expect(() => decodeMessage(want(varint(value)))).to.throw(MalformedFrameError)
    }
    // lengths and tags that no sum may wrap around
    for (const value of [2n ** 31n, 2n ** 32n, 2n ** 53n, 2n ** 63n, U64_MAX]) {
      expect(() => decodeMessage(Uint8Array.from([0x0a, ...varint(value), 1]))).to.throw(MalformedFrameError)
      expect(() => decodeMessage(Uint8Array.from([...varint((value & ~7n) | (2n ** 32n)), 1]))).to.throw(MalformedFrameError)
    }
  })
})
