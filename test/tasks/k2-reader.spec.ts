import { Keypair, LAMPORTS_PER_SOL, SystemProgram, Transaction } from '@solana/web3.js'
import { expect } from 'chai'
import { connect, type K2Connection } from '../../src/k2/connection.ts'
import { parseJson, stringifyJson } from '../../src/k2/json.ts'
import { createLocalK2, createTraffic, type LocalK2 } from '../../src/local-k2/index.ts'
import { type BlockSource, bundlePath, createK2Reader } from '../../src/tasks/index.ts'
import { HANGS_MS } from '../cpu.ts'
import { U64_EDGES } from '../edges.ts'
import { makeRunner, OTHER, STAKER } from './support.ts'

const { signal } = new AbortController()
const failureOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'none',
    (error: Error) => error.name
  )

describe('tasks: reading K2', () => {
  let k2: LocalK2
  let connection: K2Connection
  before(async () => {
    const traffic = createTraffic({ seed: 'reader', transfersPerSlot: 6 })
    k2 = await createLocalK2({ slotMs: 100, port: 0, genesis: { funded: traffic.funded } })
    traffic.follow(k2)
    await k2.start()
    connection = connect({ url: k2.url })
  })
  after(() => k2.stop())

  it('gives a block as K2 has it, and a skipped slot as null', async () => {
    const payer = Keypair.generate()
    const payee = Keypair.generate()
    await connection.confirmTransaction(await connection.requestAirdrop(payer.publicKey, LAMPORTS_PER_SOL))
    const transfer = new Transaction().add(
      SystemProgram.transfer({ fromPubkey: payer.publicKey, toPubkey: payee.publicKey, lamports: 100_000_000 })
    )
    transfer.feePayer = payer.publicKey
    transfer.recentBlockhash = (await connection.getLatestBlockhash()).blockhash
    transfer.sign(payer)
    const signature = await connection.sendRawTransaction(transfer.serialize())
    await connection.confirmTransaction(signature)
    const slot = (await connection.getSignatureStatus(signature)).value!.slot
    k2.warpTo(k2.slot() + 5)
    const skipped = k2.slot() - 2
    while ((await connection.getSlot('confirmed')) <= k2.slot() - 2) {
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    const reader = createK2Reader(connection)
    const block = await reader.block(slot, { signal })
    const found = block!.transactions.find((transaction) => transaction.signature === signature)!
    expect(found).to.deep.include({ feePayer: payer.publicKey.toBase58(), err: null, programs: [SystemProgram.programId.toBase58()] })
    const change = (i: number) => BigInt(found.postBalances[i]!) - BigInt(found.preBalances[i]!)
    expect(found.accounts[1]).to.equal(payee.publicKey.toBase58())
    expect([change(0), change(1)]).to.deep.equal([-100_000_000n - BigInt(found.fee), 100_000_000n])
    expect(await reader.block(skipped, { signal })).to.equal(null)
    expect(await reader.blocks(skipped, slot + 1, { signal }).catch(() => [])).to.deep.equal([])
    expect(await failureOf(reader.block(k2.slot() + 100, { signal }))).to.equal('K2ReadError')
  })

  it('indexes and audits live rounds of 30 slots at 100 ms, in time', async () => {
    const bundle = { path: bundlePath('k2-index') }
    const maker = await makeRunner({ bundle, k2: createK2Reader(connection), staker: STAKER })
    const auditor = await makeRunner({ bundle, k2: createK2Reader(connect({ url: k2.url })), staker: OTHER })
    await Promise.all([maker.runner.setup(), auditor.runner.setup()])
    const startSlot = k2.slot() + 1
    for (let cycle = 0; cycle < 2; cycle++) {
      const timing = { cycle, startSlot: startSlot + 30 * cycle, endSlot: startSlot + 30 * (cycle + 1), slotMs: 100 }
      expect(await maker.runner.task(timing, { timeoutMs: HANGS_MS })).to.deep.equal({ ok: true, value: undefined })
      const lateSlots = k2.slot() - timing.endSlot
      const submitted = await maker.runner.submission(timing)
      const submission = (submitted as { value: { value: string; proofs: string[] } }).value
      const startedMs = performance.now()
      const outcome = await auditor.runner.audit({ staker: STAKER, ...submission }, timing, maker.proofs)
      console.log(
        `      cycle ${cycle}: ${JSON.parse(submission.value).transactions} transactions, ${lateSlots} slots late, audit ${(performance.now() - startedMs).toFixed(0)} ms`
      )
      expect(outcome).to.deep.equal({ ok: true, value: { valid: true } })
      expect(JSON.parse(submission.value).transactions).to.be.greaterThan(60)
    }
    await Promise.all([maker.runner.stop(), auditor.runner.stop()])
  })

  describe('with a K2 that fails', () => {
    const fake = (init: Partial<Record<keyof BlockSource, (...args: never[]) => unknown>>) =>
      ({ getSlot: async () => 100, getBlocks: async () => [], requestExact: async () => null, ...init }) as unknown as BlockSource

    it('tells an unknown slot from a skipped one', async () => {
      const skipped = createK2Reader(fake({ getBlocks: async () => [49, 51] }))
      expect(await skipped.block(50, { signal })).to.equal(null)
      const there = createK2Reader(fake({ getBlocks: async () => [49, 50, 51] }))
      expect(await failureOf(there.block(50, { signal }))).to.equal('K2ReadError')
      const behind = createK2Reader(fake({ getSlot: async () => 49 }))
      expect(await failureOf(behind.block(50, { signal }))).to.equal('K2ReadError')
      const pruned = createK2Reader(fake({ getBlocks: async () => [] }))
      expect(await failureOf(pruned.block(50, { signal }))).to.equal('K2ReadError')
      const code = (value: number) => fake({ requestExact: () => Promise.reject(Object.assign(new Error('x'), { code: value })) })
      expect(await createK2Reader(code(-32007)).block(50, { signal })).to.equal(null)
      expect(await createK2Reader(code(-32009)).block(50, { signal })).to.equal(null)
      expect(await failureOf(createK2Reader(code(-32004)).block(50, { signal }))).to.equal('K2ReadError')
    })

    it('gives amounts past 2^53 with all their digits, and refuses what is no amount', async () => {
      const block = (preBalance: unknown) => ({
        blockhash: 'h',
        parentSlot: 49,
        transactions: [
          {
            transaction: { signatures: ['s'], message: { accountKeys: ['payer', 'program'], instructions: [{ programIdIndex: 1 }] } },
            meta: { err: null, fee: 5000, preBalances: [preBalance, 1], postBalances: [0, 1], innerInstructions: [], loadedAddresses: null }
          }
        ]
      })
      const reading = async (answer: unknown) => {
        const reader = createK2Reader(fake({ requestExact: async () => parseJson(stringifyJson(answer)) }))
        return (await reader.block(50, { signal }))!.transactions[0]!
      }
      for (const [, value] of U64_EDGES) {
        expect((await reading(block(value))).preBalances).to.deep.equal([`${value}`, '1'])
      }
      for (const bad of [-1, 0.5, 1e300, '5', null, undefined]) {
        expect(await failureOf(reading(block(bad)))).to.equal('K2ReadError')
      }
      const other = block(1)
      other.transactions[0]!.transaction.message.instructions[0]!.programIdIndex = 2
      expect(await failureOf(reading(other))).to.equal('K2ReadError')
    })

    it('asks once for what several read, again after a failure, and no more at a time than it may', async () => {
      let calls = 0
      let under = 0
      let most = 0
      let fails = true
      const block = { blockhash: 'h', parentSlot: 1, transactions: [] }
      const reader = createK2Reader(
        fake({
          requestExact: async () => {
            calls++
            most = Math.max(most, ++under)
            await new Promise((resolve) => setTimeout(resolve, 5))
            under--
            if (fails) {
              throw new Error('down')
            }
            return block
          }
        }),
        { concurrency: 3, cachedBlocks: 4 }
      )
      expect(await failureOf(reader.block(1, { signal }))).to.equal('K2ReadError')
      fails = false
      await Promise.all([1, 1, 1, 2].map((slot) => reader.block(slot, { signal })))
      expect(calls).to.equal(3)
      await Promise.all([10, 11, 12, 13, 14, 15].map((slot) => reader.block(slot, { signal })))
      expect(most).to.equal(3)
      await reader.block(15, { signal })
      expect(calls).to.equal(9)
      await reader.block(1, { signal })
      expect(calls).to.equal(10)
    })

    it('waits no longer than its limit, and no longer than its caller', async () => {
      const silent = createK2Reader(fake({ requestExact: () => new Promise(() => {}), getSlot: () => new Promise(() => {}) }), {
        timeoutMs: 50
      })
      expect(await failureOf(silent.slot({ signal }))).to.equal('K2ReadError')
      expect(await failureOf(silent.block(1, { signal }))).to.equal('K2ReadError')
      const patient = createK2Reader(fake({ requestExact: () => new Promise(() => {}) }), { timeoutMs: HANGS_MS })
      expect(await failureOf(patient.block(1, { signal: AbortSignal.timeout(20) }))).to.equal('TimeoutError')
    })
  })
})
