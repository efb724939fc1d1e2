import { encode } from '@ipld/dag-cbor'
import { expect } from 'chai'
import type { CID } from 'multiformats/cid'
import {
  type AuditResult,
  bundlePath,
  type CycleTiming,
  type Outcome,
  type TaskRunner,
  type TaskSubmission
} from '../../src/tasks/index.ts'
import { HANGS_MS } from '../cpu.ts'
import { makeRunner, memoryProofs, memoryStore, OTHER, STAKER, seededK2, TASK, type TestRunner } from './support.ts'

const timing: CycleTiming = { cycle: 4, startSlot: 120, endSlot: 150, slotMs: 100 }

interface Entry {
  slot: number
  signature: string
  fee: string
  success: boolean
  changes: Array<[string, string]>
  programs: string[]
}
interface Chunk {
  staker: string
  taskId: string
  cycle: number
  firstSlot: number
  lastSlot: number
  transactions: Entry[]
}
interface Index {
  root: Record<string, unknown> & { chunks: Array<{ link: CID; firstSlot: number; lastSlot: number; count: number }> }
  chunks: Chunk[]
  claim: Record<string, unknown>
}

describe('tasks: k2-index', () => {
  const bundle = { path: bundlePath('k2-index') }
  // the full sample: what an audit of some slots finds with a certain chance, this one finds
  const params = { auditSlots: 30, auditNonemptySlots: 30 }
  let tip = 1000
  const k2 = seededK2('k2', () => tip)
  const proofs = memoryProofs()
  let maker: TestRunner
  let auditor: TestRunner
  let submission: TaskSubmission
  const runners: TaskRunner[] = []

  before(async () => {
    maker = await makeRunner({ bundle, k2, proofs, params })
    auditor = await makeRunner({ bundle, k2, proofs, params, staker: OTHER })
    runners.push(maker.runner, auditor.runner)
    submission = await index(maker.runner)
  })
  after(() => Promise.all(runners.map((runner) => runner.stop())))

  async function index(runner: TaskRunner, at = timing): Promise<TaskSubmission> {
    const outcome = await runner.task(at)
    expect(outcome).to.deep.equal({ ok: true, value: undefined })
    const submitted = await runner.submission(at)
    return (submitted as { value: TaskSubmission }).value
  }

  const audit = (given: TaskSubmission, { staker = STAKER, at = timing, runner = auditor.runner } = {}): Promise<Outcome<AuditResult>> =>
    runner.audit({ staker, ...given }, at, proofs)

  async function read(given: TaskSubmission): Promise<Index> {
    const options = { signal: AbortSignal.timeout(HANGS_MS) }
    const root = (await proofs.getNode(given.proofs[0]!, options)) as Index['root']
    const chunks = await Promise.all(root.chunks.map(({ link }) => proofs.getNode(link.toString(), options)))
    return { root, chunks: chunks as Chunk[], claim: JSON.parse(given.value) }
  }

  /** Puts an index together again, with counts and totals that fit unless `keep` is given: a liar who can count. */
  async function write({ root, chunks, claim }: Index, keep = false): Promise<TaskSubmission> {
    const links = await Promise.all(chunks.map((chunk) => proofs.putValue(chunk)))
    const entries = chunks.flatMap((chunk) => chunk.transactions)
    const totals = keep
      ? {}
      : {
          transactions: entries.length,
          failed: entries.filter(({ success }) => !success).length,
          fees: entries.reduce((sum, { fee }) => sum + BigInt(fee), 0n).toString()
        }
    const listed = chunks.map(({ firstSlot, lastSlot, transactions }, i) => ({
      link: links[i]!,
      firstSlot,
      lastSlot,
      count: transactions.length
    }))
    const cid = (await proofs.putValue({ ...root, ...totals, chunks: listed })).toString()
    return { value: JSON.stringify({ ...claim, ...totals, cid }), proofs: [cid] }
  }

  it('indexes every transaction of the cycle, in blocks of at most 16 KiB', async () => {
    const { root, chunks, claim } = await read(submission)
    const expected = []
    for (let slot = timing.startSlot; slot < timing.endSlot; slot++) {
      expected.push(
        ...((await k2.block(slot, { signal: AbortSignal.timeout(HANGS_MS) }))?.transactions.map(({ signature }) => signature) ?? [])
      )
    }
    expect(expected.length).to.be.greaterThan(100)
    expect(chunks.flatMap((chunk) => chunk.transactions.map(({ signature }) => signature))).to.deep.equal(expected)
    expect(chunks.length).to.be.greaterThan(3)
    expect(claim.transactions).to.equal(expected.length)
    expect(root).to.deep.include({ staker: STAKER, taskId: TASK, cycle: 4, startSlot: 120, endSlot: 150, transactions: expected.length })
    expect(Math.max(...chunks.map((chunk) => encode(chunk).length))).to.be.at.most(16 * 1024)
    expect(Buffer.byteLength(submission.value)).to.be.at.most(512)
    const failed = chunks.flatMap((chunk) => chunk.transactions).find(({ success }) => !success)!
    expect(failed.changes).to.deep.equal([[failed.changes[0]![0], `-${failed.fee}`]])
  })

  it('passes the audit', async () => {
    expect(await audit(submission)).to.deep.equal({ ok: true, value: { valid: true } })
  })

  it('gives the same bytes for the same slots, and other ones to each staker', async () => {
    expect(await index(maker.runner)).to.deep.equal(submission)
    const other = await index(auditor.runner)
    expect(other.proofs).not.to.deep.equal(submission.proofs)
    expect(await audit(other, { staker: OTHER, runner: maker.runner })).to.deep.equal({ ok: true, value: { valid: true } })
  })

  it('survives a block that goes on in the next chunk, no transactions, and skipped slots only', async () => {
    for (const at of [
      { cycle: 5, startSlot: 147, endSlot: 148, slotMs: 100 },
      { cycle: 6, startSlot: 150, endSlot: 151, slotMs: 100 },
      { cycle: 7, startSlot: 11, endSlot: 400, slotMs: 100 }
    ]) {
      const given = await index(maker.runner, at)
      expect(await audit(given, { at }), JSON.stringify(at)).to.deep.equal({ ok: true, value: { valid: true } })
    }
    const { chunks } = await read(await index(maker.runner, { cycle: 7, startSlot: 11, endSlot: 400, slotMs: 100 }))
    expect(chunks.some((chunk, i) => chunk.firstSlot === chunks[i - 1]?.lastSlot)).to.equal(true)
  })

  it('works while the slots come, and ends with the cycle', async () => {
    tip = 120
    const timer = setInterval(() => tip++, 20)
    const given = await index(maker.runner, { ...timing, slotMs: 20 })
    clearInterval(timer)
    const ended = tip
    tip = 1000
    expect(given).to.deep.equal(submission)
    expect(ended).to.be.at.least(150)
  })

  describe('finds', () => {
    const busy = (chunks: Chunk[]) => chunks.findIndex((chunk) => chunk.transactions.length > 2)
    const tamperings: Record<string, [reason: RegExp, change: (index: Index) => void, keep?: boolean]> = {
      'a dropped transaction': [/transactions on K2 and/, ({ chunks }) => void chunks[busy(chunks)]!.transactions.splice(1, 1)],
      'a dropped transaction, totals left': [
        /is not as the root lists it|the chunks have/,
        ({ chunks }) => void chunks[1]!.transactions.splice(1, 1),
        true
      ],
      'an invented transaction': [
        /transactions on K2 and/,
        ({ chunks }) => void chunks[0]!.transactions.unshift({ ...chunks[0]!.transactions[0]!, signature: 'x' })
      ],
      'a transaction in an empty slot': [
        /slot 126 has 0 transactions|slot 120 has 0/,
        ({ chunks }) => void chunks[0]!.transactions.unshift({ ...chunks[0]!.transactions[0]!, slot: 120 })
      ],
      'an altered fee': [/differs in fee/, ({ chunks }) => void (chunks[2]!.transactions[0]!.fee = '1')],
      'an altered balance': [/differs in changes/, ({ chunks }) => void (chunks[2]!.transactions[0]!.changes[0]![1] = '7')],
      'a failure called success': [
        /differs in success/,
        ({ chunks }) => {
          const entry = chunks.flatMap((chunk) => chunk.transactions).find(({ success }) => !success)!
          entry.success = true
          entry.changes = [...entry.changes]
        }
      ],
      'another program': [/differs in programs/, ({ chunks }) => void (chunks[0]!.transactions[0]!.programs = [])],
      'swapped transactions': [/differs in signature|out of its slots or order/, ({ chunks }) => void chunks[0]!.transactions.reverse()],
      'another field': [/more than its fields/, ({ chunks }) => void Object.assign(chunks[0]!.transactions[0]!, { note: 'hi' })],
      'a gap': [/starts at slot/, ({ chunks }) => void chunks.splice(1, 2)],
      'chunks in another order': [/starts at slot/, ({ chunks }) => void chunks.reverse()],
      'an end before the end': [/end at slot/, ({ chunks }) => void chunks.splice(chunks.findIndex(({ lastSlot }) => lastSlot === 149))],
      'no chunks': [/has 0 chunks/, ({ chunks }) => void chunks.splice(0)],
      "a chunk of another's index": [/belongs to another index/, ({ chunks }) => void (chunks[1]!.staker = OTHER)],
      'a chunk of another cycle': [/belongs to another index/, ({ chunks }) => void (chunks[1]!.cycle = 3)],
      "another's index": [/made by/, ({ root }) => void (root.staker = OTHER)],
      'an index of another cycle': [/of cycle 3/, ({ root }) => void (root.cycle = 3)],
      'an index of another task': [/another task/, ({ root }) => void (root.taskId = OTHER)],
      'other slots': [/covers slots/, ({ root }) => void (root.endSlot = 149)],
      'another version': [/this version/, ({ root }) => void (root.version = 2)],
      'other totals in the root': [/root says/, ({ root }) => void (root.fees = '1'), true],
      'other totals in the submission': [/submission says/, ({ claim }) => void (claim.failed = 0), true],
      'other slots in the submission': [/other slots/, ({ claim }) => void (claim.endSlot = 149), true]
    }
    for (const [name, [reason, change, keep]] of Object.entries(tamperings)) {
      it(name, async () => {
        const tampered = await read(submission)
        change(tampered)
        const outcome = await audit(await write(tampered, keep))
        expect(outcome).to.deep.include({ ok: true })
        const { valid, reason: found } = (outcome as { value: AuditResult }).value
        expect(valid, found).to.equal(false)
        expect(found).to.match(reason)
      })
    }

    it('nothing in an index that was only put together again', async () => {
      expect(await audit(await write(await read(submission)))).to.deep.equal({ ok: true, value: { valid: true } })
    })

    it('a copy of another submission', async () => {
      expect(await audit(submission, { staker: OTHER })).to.deep.include({ ok: true })
      expect(((await audit(submission, { staker: OTHER })) as { value: AuditResult }).value.reason).to.match(/made by/)
    })

    it('a chunk that is not dag-cbor of an index, and values that are none', async () => {
      const strange = (await proofs.putValue({ chunks: [{ link: null }] })).toString()
      for (const value of [
        '',
        'null',
        '[]',
        '{"cid":7}',
        JSON.stringify({ cid: strange }),
        JSON.stringify({ cid: submission.proofs[0] })
      ]) {
        const outcome = await audit({ value, proofs: [strange] })
        expect(outcome, value).to.deep.include({ ok: true })
        expect((outcome as { value: AuditResult }).value.valid, value).to.equal(false)
      }
    })

    it('a false fee by sampling, in most audits of few slots', async () => {
      const small = await makeRunner({ bundle, k2, proofs, params: { auditSlots: 2, auditNonemptySlots: 4 }, staker: OTHER })
      runners.push(small.runner)
      const tampered = await read(submission)
      for (const entry of tampered.chunks.flatMap((chunk) => chunk.transactions)) {
        entry.fee = '1'
      }
      const given = await write(tampered)
      const outcome = await audit(given, { runner: small.runner })
      expect((outcome as { value: AuditResult }).value.valid).to.equal(false)
      const readsBefore = k2.reads
      await audit(submission, { runner: small.runner })
      expect(k2.reads - readsBefore).to.be.within(4, 6)
    })
  })

  it('abstains when K2 fails, and never calls it invalid', async () => {
    for (let slot = 120; slot < 150; slot++) {
      k2.failing.add(slot)
    }
    const outcome = await audit(submission)
    k2.failing.clear()
    expect(outcome).to.deep.include({ ok: false, reason: 'threw' })
    expect((outcome as { detail: string }).detail).to.match(/K2ReadError/)
  })

  it('abstains when the store fails, and never calls it invalid', async () => {
    const failing = { ...proofs, getNode: async () => Promise.reject(Object.assign(new Error('disk'), { name: 'BlockStoreError' })) }
    const outcome = await auditor.runner.audit({ staker: STAKER, ...submission }, timing, failing)
    expect(outcome).to.deep.include({ ok: false, reason: 'threw' })
  })

  it('needs no second reading for its submission after a restart, and has none without work', async () => {
    const store = memoryStore()
    const first = await makeRunner({ bundle, k2, proofs, store })
    const given = await index(first.runner)
    await first.runner.stop()
    const second = await makeRunner({ bundle, k2, proofs, store })
    runners.push(second.runner)
    expect(await second.runner.submission(timing)).to.deep.equal({ ok: true, value: given })
    expect(await second.runner.submission({ ...timing, cycle: 5 })).to.deep.equal({ ok: true, value: null })
  })

  it('is fast: prints what an audit takes', async () => {
    const quick = await makeRunner({ bundle, k2, proofs, staker: OTHER })
    runners.push(quick.runner)
    await audit(submission, { runner: quick.runner })
    const times = []
    for (let i = 0; i < 15; i++) {
      const startedMs = performance.now()
      await audit(submission, { runner: quick.runner })
      times.push(performance.now() - startedMs)
    }
    const median = times.sort((a, b) => a - b)[7]!
    const { transactions } = JSON.parse(submission.value)
    console.log(
      `      audit of ${transactions} transactions in ${(await read(submission)).chunks.length} chunks: ${median.toFixed(1)} ms at the median`
    )
  })
})
