import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import {
  Connection,
  Keypair,
  LAMPORTS_PER_SOL,
  PublicKey,
  TransactionInstruction,
  TransactionMessage,
  VersionedTransaction
} from '@solana/web3.js'
import { expect } from 'chai'
import { keyPairFromSeed } from '../../src/identity/index.ts'
import { createLocalK2, type LocalK2Init, signTransfer } from '../../src/local-k2/index.ts'
import { cpuMs } from '../cpu.ts'
import { type Fixture, failureOf, pay, startK2, tokenElf } from './support.ts'

const TOKEN = Keypair.fromSeed(new Uint8Array(32).fill(9)).publicKey

describe('local K2: a chain on disk', () => {
  let dataDir: string
  let children: ChildProcess[]
  const open: Fixture[] = []
  beforeEach(() => {
    dataDir = mkdtempSync(join(tmpdir(), 'local-k2-'))
    children = []
  })
  afterEach(async () => {
    for (const child of children) {
      child.kill('SIGKILL')
    }
    await Promise.all(open.splice(0).map((fixture) => fixture.close()))
    rmSync(dataDir, { recursive: true })
  })

  const start = async (init: LocalK2Init & { ticking?: boolean } = {}) => {
    const fixture = await startK2({ dataDir, ...init })
    open.push(fixture)
    return fixture
  }
  const stop = async (fixture: Fixture) => {
    open.splice(open.indexOf(fixture), 1)
    await fixture.close()
  }

  it('goes on where it stopped: accounts, blocks, transactions, programs, blockhashes', async () => {
    const genesis = { programs: [{ programId: TOKEN.toBase58(), bytes: tokenElf() }] }
    let f = await start({ genesis })
    const alice = await f.funded(1_000_000_000)
    const bob = Keypair.generate()
    const signature = await pay(f, alice, bob.publicKey, 10_000_000)
    // an account that is emptied must stay gone
    await pay(f, bob, alice.publicKey, 9_995_000)
    const [genesisHash, slot, supply] = [f.k2.genesisHash, await f.connection.getSlot(), (await f.connection.getSupply()).value.total]
    const block = await f.connection.getBlock(slot)
    const read = await f.connection.getTransaction(signature)
    const { blockhash } = await f.connection.getLatestBlockhash()
    await stop(f)

    f = await start({ genesis })
    expect(f.k2.genesisHash).to.equal(genesisHash)
    // a clean stop closes the slot in progress
    expect(await f.connection.getSlot()).to.equal(slot + 1)
    expect(f.k2.slot()).to.equal(slot + 2)
    expect(await f.connection.getBlock(slot)).to.deep.equal(block)
    expect(await f.connection.getTransaction(signature)).to.deep.equal(read)
    expect((await f.connection.getSupply()).value.total).to.equal(supply)
    expect(await f.connection.getBalance(alice.publicKey)).to.equal(999_990_000)
    expect(await f.connection.getAccountInfo(bob.publicKey)).to.equal(null)
    expect(await f.connection.getTransactionCount()).to.equal(3)
    expect((await f.connection.isBlockhashValid(blockhash)).value).to.equal(true)
    const message = new TransactionMessage({
      payerKey: alice.publicKey,
      recentBlockhash: blockhash,
      // the program's instruction 21 (GetAccountDataSize) wants an account: its answer shows that it runs
      instructions: [new TransactionInstruction({ programId: TOKEN, keys: [], data: Buffer.from([21]) })]
    })
    const { value } = await f.connection.simulateTransaction(new VersionedTransaction(message.compileToV0Message()))
    expect(value.logs).to.include('Program log: Error: NotEnoughAccountKeys')
    f.slots()
    expect((await f.connection.getBlock(slot + 2))!.parentSlot).to.equal(slot + 1)
    await pay(f, alice, Keypair.generate().publicKey, 1_000_000)
  })

  it('keeps every confirmed transaction through kill -9', async () => {
    const child = spawn(process.execPath, [fileURLToPath(new URL('k2-process.ts', import.meta.url)), dataDir], {
      stdio: ['ignore', 'pipe', 'inherit']
    })
    children.push(child)
    const [line] = (await once(child.stdout!, 'data')) as [Buffer]
    const connection = new Connection(line.toString().trim(), 'confirmed')
    const from = keyPairFromSeed(new Uint8Array(32).fill(5))
    const payer = new PublicKey(from.publicKey)
    const airdrop = await connection.requestAirdrop(payer, 10 * LAMPORTS_PER_SOL)
    const finalized = async (signature: string) => {
      while ((await connection.getSignatureStatus(signature)).value?.confirmationStatus !== 'finalized') {
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    }
    await finalized(airdrop)
    const exited = once(child, 'exit')
    // transfers keep coming while it is killed
    const confirmed: Array<{ signature: string; to: PublicKey; lamports: number }> = []
    let killed = false
    const send = async () => {
      for (let i = 0; !killed; i++) {
        const to = Keypair.generate().publicKey
        const lamports = 1_000_000 + i
        const { blockhash } = await connection.getLatestBlockhash()
        const signature = await connection.sendRawTransaction(
          signTransfer({ from, to: to.toBytes(), lamports: BigInt(lamports), blockhash })
        )
        await finalized(signature)
        confirmed.push({ signature, to, lamports })
      }
    }
    const senders = Array.from({ length: 4 }, () => send().catch((err) => expect(killed, String(err)).to.equal(true)))
    while (confirmed.length < 20) {
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    killed = true
    child.kill('SIGKILL')
    await exited
    await Promise.all(senders)
    expect(readdirSync(dataDir), 'killed in the middle: its log is left').to.include('k2.sqlite-wal')

    const starting = { f: undefined as Awaited<ReturnType<typeof start>> | undefined }
    const tookMs = await cpuMs(async () => {
      starting.f = await start()
    })
    expect(tookMs).to.be.below(3000)
    const f = starting.f!
    for (const { signature, to, lamports } of confirmed) {
      const read = await f.connection.getTransaction(signature)
      expect(read!.meta!.err).to.equal(null)
      expect(await f.connection.getBalance(to)).to.equal(lamports)
    }
    // blocks, transactions and accounts are of the same moment: the payer's balance is what its transactions left
    const [newest] = await f.connection.getSignaturesForAddress(payer, { limit: 1 })
    const last = await f.connection.getTransaction(newest!.signature)
    expect(await f.connection.getBalance(payer)).to.equal(last!.meta!.postBalances[0])
    const slots = await f.connection.getBlocks(0)
    expect(slots).to.deep.equal(Array.from({ length: slots.length }, (_, i) => i))
    await pay(f, Keypair.fromSecretKey(from.secretKey), Keypair.generate().publicKey, 1_000_000)
  })

  it('lets one process have a folder', async () => {
    await start()
    const error = await failureOf(createLocalK2({ dataDir, port: 0 }))
    expect(error).to.include({ name: 'DataDirLockedError' })
    expect(error.message).to.contain(dataDir).and.to.contain('--data-dir')
  })

  it('names a folder of another version', async () => {
    await stop(await start())
    const db = new DatabaseSync(join(dataDir, 'k2.sqlite'))
    db.exec('PRAGMA user_version = 99')
    db.close()
    const error = await failureOf(createLocalK2({ dataDir }))
    expect(error).to.include({ name: 'DataDirVersionError' })
    expect(error.message).to.contain('format 99')
  })

  it('names a damaged folder, and harms nothing', async () => {
    const path = join(dataDir, 'k2.sqlite')
    const refused = async () => {
      const before = readFileSync(path)
      const error = await failureOf(createLocalK2({ dataDir }))
      expect(error).to.include({ name: 'DataDirCorruptError' })
      expect(error.message).to.contain(path).and.to.contain('--data-dir')
      expect(readFileSync(path).equals(before)).to.equal(true)
    }
    writeFileSync(path, 'this is no chain '.repeat(500))
    await refused()
    rmSync(path)
    const other = new DatabaseSync(path)
    other.exec('CREATE TABLE recipes (name TEXT)')
    other.close()
    await refused()
    rmSync(path)
    const f = await start({ genesis: { programs: [{ programId: TOKEN.toBase58(), bytes: tokenElf() }] } })
    await stop(f)
    // the accounts are cut off in the middle
    truncateSync(path, 40_960)
    await refused()
  })

  it('names a folder that cannot be made', async () => {
    const file = join(dataDir, 'file')
    writeFileSync(file, '')
    expect(await failureOf(createLocalK2({ dataDir: join(file, 'chain') }))).to.include({ name: 'DataDirUnusableError' })
  })

  it('holds a chain to the programs that it began with', async () => {
    const bytes = tokenElf()
    await stop(await start({ genesis: { programs: [{ programId: TOKEN.toBase58(), bytes }] } }))
    await stop(await start())
    const other = Keypair.generate().publicKey.toBase58()
    for (const [programs, words] of [
      [[{ programId: other, bytes }], 'has no program'],
      [[{ programId: TOKEN.toBase58(), bytes: Uint8Array.of(...bytes, 0) }], 'another build']
    ] as const) {
      const error = await failureOf(createLocalK2({ dataDir, genesis: { programs: [...programs] } }))
      expect(error).to.include({ name: 'GenesisError' })
      expect(error.message).to.contain(words)
    }
    await stop(await start())
  })

  it('names what is wrong with a genesis, and leaves no half of a chain', async () => {
    for (const genesis of [
      { programs: [{ programId: TOKEN.toBase58() }] },
      { programs: [{ programId: TOKEN.toBase58(), elfPath: join(dataDir, 'absent.so') }] },
      { programs: [{ programId: TOKEN.toBase58(), bytes: new Uint8Array(100) }] },
      { programs: [{ programId: 'abc', bytes: tokenElf() }] },
      { funded: [{ address: 'nobody', lamports: 1n }] }
    ]) {
      expect(await failureOf(createLocalK2({ dataDir, genesis })), Object.keys(genesis).join()).to.include({
        name: 'GenesisError'
      })
    }
    const f = await start({ genesis: { programs: [{ programId: TOKEN.toBase58(), bytes: tokenElf() }] } })
    expect((await f.connection.getAccountInfo(TOKEN))!.executable).to.equal(true)
  })

  it('keeps so many blocks and no more, with the transactions of those only', async () => {
    const f = await start({ keepSlots: 300 })
    const alice = await f.funded(1_000_000_000)
    const old = await pay(f, alice, Keypair.generate().publicKey, 1_000_000)
    f.slots(310)
    expect(await f.connection.getFirstAvailableBlock()).to.be.greaterThan(3)
    expect(await f.connection.getBlocks(0)).to.have.length(300)
    expect(await f.connection.getTransaction(old)).to.equal(null)
    expect(await f.connection.getSignaturesForAddress(alice.publicKey)).to.deep.equal([])
    expect((await f.call('getBlock', 3)).error).to.include({ code: -32001 })
    await stop(f)
    const db = new DatabaseSync(join(dataDir, 'k2.sqlite'))
    const rows = (table: string) => db.prepare(`SELECT count(*) AS n FROM ${table}`).get()!.n
    expect([rows('blocks'), rows('transactions'), rows('mentions')]).to.deep.equal([300, 0, 0])
    db.close()
  })

  it('forgets no balance with the blocks that made it, and no count', async () => {
    const f = await start({ keepSlots: 300 })
    const alice = await f.funded(1_000_000_000)
    await pay(f, alice, Keypair.generate().publicKey, 1_000_000)
    f.slots(310)
    expect(await f.connection.getBalance(alice.publicKey)).to.equal(998_995_000)
    expect(await f.connection.getTransactionCount()).to.equal(2)
  })
})
