import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import {
  ContradictionError,
  createSigner,
  keyPairFromSeed,
  type Promised,
  type Signer,
  type SignerLog,
  verifyEd25519
} from '../../src/identity/index.ts'
import { openStore, type Store } from '../../src/store/index.ts'

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

  it('stays silent when the log cannot be written', async () => {
    const broken: SignerLog = {
      get: () => undefined,
      put: () => {
        throw new Error('disk full')
      }
    }
    let message = ''
    await createSigner(pair, broken)
      .sign(one, once)
      .catch((err: Error) => {
        message = err.message
      })
    expect(message).to.equal('disk full')
  })

  it('writes before it signs: what a killed node signed is in the log', async () => {
    const events: string[] = []
    const log: SignerLog = {
      get: () => undefined,
      put: (_task, _cycle, key, hash) => {
        events.push(`${key} ${hash.length}`)
      }
    }
    const signing = createSigner(pair, log).sign(one, once)
    expect(events).to.deep.equal(['submission 64'])
    await signing
  })
})
