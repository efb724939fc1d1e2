/** What a local K2 keeps, over many more transactions than it keeps. */
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect } from 'chai'
import { keyPairFromSeed } from '../../src/identity/index.ts'
import { createLocalK2, type LocalK2, resetDataDir, signTransfer } from '../../src/local-k2/index.ts'
import { failureOf } from './support.ts'

const KEPT_BLOCKS = 300
const KEPT_TRANSACTIONS = 2000
const PER_SLOT = 8
const FUNDED = 1_000_000_000_000n

describe('local K2: retention', function () {
  this.timeout(60_000)

  let dataDir: string
  let k2: LocalK2 | undefined
  const keys = Array.from({ length: 20 }, (_, at) => keyPairFromSeed(createHash('sha256').update(`retention ${at}`).digest()))
  let sent = 0
  const balances = new Map<string, bigint>()
  beforeEach(() => {
    dataDir = mkdtempSync(join(tmpdir(), 'k2-retention-'))
    sent = 0
    for (const { address } of keys) {
      balances.set(address, FUNDED)
    }
  })
  afterEach(async () => {
    await k2?.stop()
    k2 = undefined
    rmSync(dataDir, { recursive: true })
  })

  const open = async (limits = { keepSlots: KEPT_BLOCKS, keepTransactions: KEPT_TRANSACTIONS }) => {
    k2 = await createLocalK2({
      dataDir,
      port: 0,
      ...limits,
      genesis: { funded: keys.map(({ address }) => ({ address, lamports: FUNDED })) }
    })
    k2.hold()
    await k2.start()
    return k2
  }
  const call = async (method: string, ...params: unknown[]) => {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
    const response = await fetch(k2!.url, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
    return ((await response.json()) as { result: never }).result
  }
  /** How many rows a table of the stopped chain has. */
  const rows = (table: string) => {
    const db = new DatabaseSync(join(dataDir, 'k2.sqlite'))
    const { n } = db.prepare(`SELECT count(*) AS n FROM ${table}`).get()!
    db.close()
    return Number(n)
  }
  /** Blocks of so many transfers each. */
  const run = (blocks: number, perSlot: number) => {
    for (let block = 0; block < blocks; block++) {
      const blockhash = k2!.latestBlockhash()
      for (let i = 0; i < perSlot; i++) {
        const [from, to, lamports] = [keys[sent % keys.length]!, keys[(sent * 3 + 1) % keys.length]!, BigInt(++sent)]
        const { err } = k2!.send(signTransfer({ from, to: to.publicKey, lamports, blockhash }))
        expect(err).to.equal(null)
        balances.set(from.address, balances.get(from.address)! - lamports - 5000n)
        balances.set(to.address, balances.get(to.address)! + lamports)
      }
      k2!.warpTo(k2!.slot() + 1)
    }
  }
  const diskBytes = () => readdirSync(dataDir).reduce((sum, name) => sum + statSync(join(dataDir, name)).size, 0)
  it('is bounded on disk, lets the first block rise, and loses no balance', async () => {
    await open()
    run(500, PER_SLOT)
    const [half, firstAtHalf] = [diskBytes(), Number(await call('getFirstAvailableBlock'))]
    run(500, PER_SLOT)
    // the same again adds nothing: what is dropped makes room
    expect(diskBytes()).to.be.at.most(half * 1.1)
    const first = Number(await call('getFirstAvailableBlock'))
    expect(first - firstAtHalf).to.equal(500)
    const tip = Number(await call('getSlot'))
    expect(tip - first + 1).to.equal(KEPT_BLOCKS)
    expect(await call('getBlocks', first, tip)).to.have.length(KEPT_BLOCKS)
    expect(await call('getTransactionCount')).to.equal(sent)

    await k2!.stop()
    // the last block is the one that stop closes
    expect(rows('blocks')).to.equal(KEPT_BLOCKS)
    expect(rows('transactions')).to.equal((KEPT_BLOCKS - 1) * PER_SLOT)
    // payer, payee (or the payer itself) and the system program
    expect(rows('mentions')).to.be.within(rows('transactions') * 2, rows('transactions') * 3)
    expect(rows('accounts')).to.be.at.most(keys.length + 10)

    await open()
    for (const { address } of keys) {
      expect(BigInt(((await call('getBalance', address)) as { value: number }).value)).to.equal(balances.get(address))
    }
    expect(await call('getTransactionCount')).to.equal(sent)
  })

  it('keeps the limit of transactions when a flood comes after many quiet blocks', async () => {
    const limit = 2000
    await open({ keepSlots: 100_000, keepTransactions: limit })
    run(limit, 1)
    // in fewer than the blocks that are kept whatever there is in them
    run(30, 50)
    await k2!.stop()
    expect(rows('transactions')).to.be.within(limit - 50, limit)
    expect(rows('blocks')).to.be.at.most(limit)
  })

  it('is reset at once, whatever version wrote the folder, and never while a process has it', async () => {
    expect(resetDataDir(dataDir)).to.equal(false)
    await open()
    run(3, 1)
    const { genesisHash } = k2!
    expect(() => resetDataDir(dataDir))
      .to.throw()
      .with.property('name', 'DataDirLockedError')
    await k2!.stop()
    const db = new DatabaseSync(join(dataDir, 'k2.sqlite'))
    db.exec('PRAGMA user_version = 99')
    db.close()
    const error = await failureOf(createLocalK2({ dataDir, port: 0 }))
    expect(error).to.include({ name: 'DataDirVersionError' })
    expect(error.message).to.include('--reset')
    expect(resetDataDir(dataDir)).to.equal(true)
    expect(readdirSync(dataDir)).to.deep.equal([])
    await open()
    expect(k2!.genesisHash).to.not.equal(genesisHash)
    expect(k2!.slot()).to.equal(1)
    expect(await call('getTransactionCount')).to.equal(0)
  })
})
