import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect } from 'chai'
import {
  ContradictionError,
  createSigner,
  keyPairFromSeed,
  type Promised,
  type Signer,
  type SignerLog,
  SignerLogError,
  SigningHeldError,
  verifyEd25519
} from '../../src/identity/index.ts'
import { openStore, type Store } from '../../src/store/index.ts'
import { signerLogIn } from '../../src/store/logs.ts'

const pair = keyPairFromSeed(new Uint8Array(32).fill(9))
const [one, two] = [Buffer.from('one submission'), Buffer.from('another submission')]
const once: Promised = { task: 'task', cycle: 3, key: 'submission' }

async function refused(promise: Promise<unknown>): Promise<void> {
  let error: unknown
  await promise.catch((err) => {
    error = err
  })
  expect(error).to.be.instanceOf(ContradictionError)
  expect((error as Error).message).to.match(/second, different .* of cycle \d+/)
}

describe('identity: the Signer', () => {
  let dir: string
  let store: Store
  let signer: Signer
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'koii-mesh-signer-'))
    store = openStore({ dir })
    signer = createSigner(pair, store.signerLog)
  })
  afterEach(async () => {
    store.close()
    await rm(dir, { recursive: true })
  })

  const reopen = () => {
    store.close()
    store = openStore({ dir })
    signer = createSigner(pair, store.signerLog)
  }

  it('signs, and signs the same again, also after reopening the store', async () => {
    const signature = await signer.sign(one, once)
    expect(verifyEd25519(signature, one, pair.publicKey)).to.equal(true)
    expect(await signer.sign(one, once)).to.deep.equal(signature)
    reopen()
    expect(await signer.sign(one, once)).to.deep.equal(signature)
  })

  it('refuses a second, different message, also after reopening the store', async () => {
    await signer.sign(one, once)
    await refused(signer.sign(two, once))
    reopen()
    await refused(signer.sign(two, once))
    expect(verifyEd25519(await signer.sign(one, once), one, pair.publicKey)).to.equal(true)
  })

  it('refuses the second of two that are asked for at the same time', async () => {
    const results = await Promise.allSettled([signer.sign(one, once), signer.sign(two, once)])
    expect(results.map(({ status }) => status)).to.deep.equal(['fulfilled', 'rejected'])
  })

  it('keeps tasks, cycles and keys apart', async () => {
    await signer.sign(one, once)
    for (const other of [
      { ...once, task: 'another' },
      { ...once, cycle: 4 },
      { ...once, key: 'vote' }
    ]) {
      await signer.sign(two, other)
      await refused(signer.sign(one, other))
    }
  })

  it('signs anything under no promise', async () => {
    const free = { ...once, key: null }
    await signer.sign(one, free)
    await signer.sign(two, free)
  })

  it('holds a vote to its content, whatever transaction carries it', async () => {
    const vote = { ...once, key: 'vote' }
    await signer.promise(one, vote)
    await signer.promise(one, vote)
    await refused(signer.promise(two, vote))
    reopen()
    await refused(signer.promise(two, vote))
    const transaction = Buffer.from('a transaction message with a fresh blockhash')
    expect(verifyEd25519(await signer.signTransaction(transaction), transaction, pair.publicKey)).to.equal(true)
  })

  it('says nothing when the log cannot be written, and what to do', async () => {
    const { error, signatures } = await signingWith({
      put: () => {
        throw new Error('database or disk is full')
      }
    })
    expect(error).to.be.instanceOf(SignerLogError)
    expect(error?.message).to.match(/refusing to sign the submission of cycle 3: .*database or disk is full.*Make room on the disk/)
    expect(signatures).to.equal(0)
  })

  it('writes before it signs: there is no signature until the entry is there', async () => {
    const { events } = await signingWith({})
    expect(events).to.deep.equal(['put submission 64 one submission', 'sign one submission'])
    const free = await signingWith({}, { ...once, key: null })
    expect(free.events.map((event) => event.split(' ')[0])).to.deep.equal(['put', 'sign'])
  })

  it('refuses what a disk that is full cannot hold, and signs it when there is room', async () => {
    const db = new DatabaseSync(join(dir, 'small.sqlite'))
    db.exec(
      'CREATE TABLE signed (task TEXT, cycle INTEGER, key TEXT, hash TEXT NOT NULL, bytes BLOB, PRIMARY KEY (task, cycle, key)) WITHOUT ROWID'
    )
    const { page_count: pages } = db.prepare('PRAGMA page_count').get() as { page_count: number }
    db.exec(`PRAGMA max_page_count = ${pages}`)
    const small = createSigner(pair, signerLogIn({ db, told: (write) => write(), want: (write) => write(), need: (write) => write() }))
    const large = Buffer.alloc(20_000, 1)
    const error = await small.sign(large, once).catch((err: Error) => err)
    expect(error).to.be.instanceOf(SignerLogError)
    expect(small.has(large, once)).to.equal(false)
    db.exec('PRAGMA max_page_count = 1000')
    expect(verifyEd25519(await small.sign(large, once), large, pair.publicKey)).to.equal(true)
    db.close()
  })

  it('keeps the bytes of what it signed, so that they can be said again, for as long as they are live', async () => {
    await signer.sign(one, once)
    await signer.sign(two, { ...once, key: null })
    await signer.sign(two, { ...once, cycle: 5 })
    reopen()
    const kept = (from: number) => store.signerLog.list('task', from).map(({ cycle, bytes }) => [cycle, Buffer.from(bytes).toString()])
    expect(kept(3)).to.have.deep.members([
      [3, one.toString()],
      [3, two.toString()],
      [5, two.toString()]
    ])
    expect(kept(4)).to.deep.equal([[5, two.toString()]])
    store.signerLog.prune('task', 5)
    expect(kept(0)).to.deep.equal([[5, two.toString()]])
    // what it promised it remembers without them
    await refused(signer.sign(two, once))
    expect(signer.has(one, once)).to.equal(true)
  })

  it('makes no new promise while it is held, and repeats old ones', async () => {
    await signer.sign(one, once)
    signer.hold('it listens')
    expect(verifyEd25519(await signer.sign(one, once), one, pair.publicKey)).to.equal(true)
    await signer.sign(two, { ...once, key: null })
    for (const attempt of [() => signer.sign(two, { ...once, cycle: 4 }), () => signer.promise(two, { ...once, key: 'vote' })]) {
      const error = await attempt().catch((err: Error) => err)
      expect(error).to.be.instanceOf(SigningHeldError)
      expect((error as Error).message).to.match(/of cycle \d is signed for now: it listens/)
    }
    signer.release()
    await signer.sign(two, { ...once, cycle: 4 })
  })

  it('signs nothing at all once it is halted', async () => {
    await signer.sign(one, once)
    signer.halt('somebody else has the key')
    signer.release()
    for (const attempt of [
      () => signer.sign(one, once),
      () => signer.sign(two, { ...once, key: null }),
      () => signer.promise(two, { ...once, key: 'vote' }),
      () => signer.signTransaction(two)
    ]) {
      expect(await attempt().catch((err: Error) => err)).to.be.instanceOf(SigningHeldError)
    }
  })

  it('knows what it signed, and takes in what it is told that its key signed', async () => {
    expect(signer.has(one, once)).to.equal(false)
    await signer.sign(one, once)
    expect(signer.has(one, once)).to.equal(true)
    expect(signer.has(two, once)).to.equal(false)
    signer.adopt(two, once)
    expect(signer.has(one, once)).to.equal(true)
    signer.adopt(two, { ...once, cycle: 4 })
    await refused(signer.sign(one, { ...once, cycle: 4 }))
    const free = { ...once, key: null }
    expect(signer.has(two, free)).to.equal(false)
    await signer.sign(two, free)
    expect(signer.has(two, free)).to.equal(true)
  })

  /** Signs once with a log of which `parts` are replaced, and tells what happened in which order. */
  async function signingWith(parts: Partial<SignerLog>, promised = once) {
    const events: string[] = []
    const log: SignerLog = {
      get: () => undefined,
      put: (_task, _cycle, key, hash, bytes) => {
        events.push(`put ${key} ${hash.length} ${Buffer.from(bytes)}`)
      },
      list: () => [],
      prune: () => {},
      ...parts
    }
    let signatures = 0
    const watched = createSigner(pair, log, (bytes) => {
      signatures++
      events.push(`sign ${Buffer.from(bytes)}`)
      return new Uint8Array(64)
    })
    let error: Error | undefined
    await watched.sign(one, promised).catch((err: Error) => {
      error = err
    })
    return { events, signatures, error }
  }
})
