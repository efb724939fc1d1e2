import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { ComputeBudgetProgram, Ed25519Program, PublicKey, SystemProgram, Transaction, TransactionInstruction } from '@solana/web3.js'
import { expect } from 'chai'
import { type SignerLog, signEd25519, verifyEd25519 } from '../../src/identity/index.ts'
import type { FinalVote } from '../../src/k2/index.ts'
import { applySlash, claim, PROGRAM_ID, stake, unstake, vote, voteBatch, voteMessage } from '../../src/k2/settlement/index.ts'
import {
  ContradictionError,
  createSigner,
  type Signer,
  SignerLogError,
  SigningHeldError,
  UnreadableRequestError
} from '../../src/signer/index.ts'
import type { Store } from '../../src/store/index.ts'
import { signerLogIn } from '../../src/store/logs.ts'
import { Body, type Network, networkOf, signedBytes } from '../../src/wire/index.ts'
import { storeForEach } from '../store/temporary.ts'
import { alice, bob, carol, challenge, cidBytes, GENESIS, NETWORK, submission, TASK, verdicts } from '../wire/people.ts'
import { refused } from './refused.ts'
import { signerWith } from './signers.ts'

const bytesOf = (body: Body, network: Network = NETWORK) => signedBytes(network, Body.encode(body))
const [one, two] = [bytesOf(submission('one')), bytesOf(submission('another'))]
const digest = (byte: number) => new Uint8Array(32).fill(byte)
const announcement = (sequence: number): Body => ({
  cycle: 3,
  slot: 130,
  announcement: { peerId: new Uint8Array(4), multiaddrs: [], sequence, expirySlot: 230 }
})
const proposal = (name: string, attempt: number): Body => ({
  cycle: 3,
  slot: 155,
  record: { cid: cidBytes(name), root: digest(1), totalRewards: 7n, attempt }
})
const approval = (name: string, attempt: number): Body => ({
  cycle: 3,
  slot: 155,
  approval: { cid: cidBytes(name), root: digest(1), attempt }
})
const ballot = (more: Partial<FinalVote> = {}): FinalVote => ({
  cycle: 3,
  root: digest(1),
  recordDigest: digest(2),
  totalRewards: 7n,
  ...more
})
const BLOCKHASH = new PublicKey(digest(5)).toBase58()

function transaction(...instructions: TransactionInstruction[]): Uint8Array {
  return new Transaction({ feePayer: new PublicKey(alice.address), blockhash: BLOCKHASH, lastValidBlockHeight: 1 })
    .add(...instructions)
    .serializeMessage()
}
const voteOf = (content: FinalVote, more: { task?: string; stakingKey?: string } = {}) =>
  vote({ task: TASK, stakingKey: alice.address, ...more, ...content })
const price = (microLamports: number, units = 30_000) => [
  ComputeBudgetProgram.setComputeUnitLimit({ units }),
  ComputeBudgetProgram.setComputeUnitPrice({ microLamports })
]

describe('signer', () => {
  let dir: string
  let store: Store
  let signer: Signer
  const { reopen } = storeForEach((opened, at) => {
    store = opened
    dir = at
    signer = signerWith(alice, store.signerLog)
  })

  describe('messages', () => {
    it('are signed, and the same again, also after reopening the store', async () => {
      const signature = await signer.signMessage(one)
      expect(verifyEd25519(signature, one, alice.publicKey)).to.equal(true)
      expect(await signer.signMessage(one)).to.deep.equal(signature)
      reopen()
      expect(await signer.signMessage(one)).to.deep.equal(signature)
    })

    it('that differ where one may be said are refused, also after reopening the store, and when both are asked for at once', async () => {
      await signer.signMessage(one)
      await refused(signer.signMessage(two))
      reopen()
      await refused(signer.signMessage(two))
      const later = [submission('one', 4, 160), submission('two', 4, 160)].map((body) => signer.signMessage(bytesOf(body)))
      expect((await Promise.allSettled(later)).map(({ status }) => status)).to.deep.equal(['fulfilled', 'rejected'])
    })

    it('reserve what their content says: each kind that may be said once, each attempt, each task and cycle for itself', async () => {
      const stakes = new Map([alice, bob, carol].map(({ address }) => [address, 10n] as const))
      const twice: Array<[string, Body, Body]> = [
        ['a submission', submission('a'), submission('b')],
        ['verdicts', verdicts(stakes, [[bob, 'valid']]), verdicts(stakes, [[bob, 'invalid']])],
        ['a proposal', proposal('a', 0), proposal('b', 0)],
        ['an approval', approval('a', 0), approval('b', 0)]
      ]
      for (const [what, first, second] of twice) {
        await signer.signMessage(bytesOf(first))
        await refused(signer.signMessage(bytesOf(second)), ContradictionError, /second, different/)
        const elsewhere = networkOf(GENESIS, new PublicKey(digest(9)).toBase58())
        expect(await signer.signMessage(bytesOf(second, elsewhere)), what).to.have.length(64)
        expect(await signer.signMessage(bytesOf({ ...second, cycle: second.cycle + 1 })), what).to.have.length(64)
      }
      await signer.signMessage(bytesOf(proposal('b', 1)))
      await signer.signMessage(bytesOf(approval('b', 1)))
    })

    it('that may be said again are signed however often they change', async () => {
      const about = await bob.says(submission('bobs'))
      for (const body of [announcement(1), announcement(2), challenge(about, 'invalid', 'a'), challenge(about, 'invalid', 'b')]) {
        expect(await signer.signMessage(bytesOf(body))).to.have.length(64)
      }
    })

    it('are nothing else: what cannot be read as one is not signed, whoever says what it is', async () => {
      const message = bytesOf(submission('x'))
      const cut = message.subarray(0, message.length - 1)
      const longer = Buffer.concat([message, Uint8Array.of(0)])
      const noKind = bytesOf({ cycle: 3, slot: 130 })
      const otherTag = Buffer.from(message)
      otherTag[5]! ^= 1
      const ofVote = voteMessage({ task: TASK, ...ballot() })
      for (const bytes of [
        new Uint8Array(),
        Buffer.from('anything'),
        cut,
        longer,
        noKind,
        otherTag,
        ofVote,
        transaction(voteOf(ballot()))
      ]) {
        await refused(signer.signMessage(bytes), UnreadableRequestError, /refusing to sign a message that cannot be read: /)
      }
      expect(store.signerLog.list(TASK, 0)).to.deep.equal([])
    })
  })

  describe('a final vote', () => {
    it('is one reservation in each of its forms: kept, in a transaction, handed over', async () => {
      const forms = [
        (content: FinalVote) => signer.reserveVote(TASK, content),
        (content: FinalVote) => signer.signVote(TASK, content),
        (content: FinalVote) => signer.signTransaction(transaction(voteOf(content)))
      ]
      for (const [cycle, form] of forms.entries()) {
        await form(ballot({ cycle }))
        for (const other of forms) {
          await other(ballot({ cycle }))
          for (const change of [{ root: digest(9) }, { recordDigest: digest(9) }, { totalRewards: 8n }]) {
            await refused(other(ballot({ cycle, ...change })), ContradictionError, /second, different vote of cycle/)
          }
        }
        reopen()
        await refused(form(ballot({ cycle, totalRewards: 9n })))
      }
      expect(store.signerLog.list(TASK, 0).map(({ cycle, key }) => [cycle, key])).to.have.deep.members(
        [0, 1, 2].map((cycle) => [cycle, 'vote'])
      )
    })

    it('is signed so that K2 takes it, on whatever blockhash and at whatever bid that is allowed', async () => {
      const bytes = voteMessage({ task: TASK, ...ballot() })
      expect(verifyEd25519(await signer.signVote(TASK, ballot()), bytes, alice.publicKey)).to.equal(true)
      for (const message of [transaction(voteOf(ballot())), transaction(voteOf(ballot()), ...price(1_000_000))]) {
        expect(verifyEd25519(await signer.signTransaction(message), message, alice.publicKey)).to.equal(true)
      }
    })

    it('is held to what K2 reads in it, whatever it was asked for with, and to nothing that could not be signed', async () => {
      await signer.signVote(TASK, ballot({ cycle: 20 }))
      const bytes = new PublicKey(TASK).toBytes() as unknown as string
      await refused(signer.signVote(bytes, ballot({ cycle: 20, totalRewards: 8n })))
      await refused(signer.signVote(TASK, ballot({ cycle: '0x14' as unknown as number, totalRewards: 8n })))
      const shifting = ballot({ cycle: 21 })
      let asked = 0n
      Object.defineProperty(shifting, 'totalRewards', { enumerable: true, get: () => ++asked })
      const signature = await signer.signVote(TASK, shifting)
      const said = [1n, 2n, 3n].find((totalRewards) =>
        verifyEd25519(signature, voteMessage({ task: TASK, ...ballot({ cycle: 21, totalRewards }) }), alice.publicKey)
      )
      await signer.signVote(TASK, ballot({ cycle: 21, totalRewards: said! }))
      for (const change of [
        { totalRewards: 2n ** 64n },
        { root: new Uint8Array(31) },
        { recordDigest: new Uint8Array(33) },
        { cycle: -1 }
      ]) {
        await refused(signer.reserveVote(TASK, ballot({ cycle: 22, ...change })), UnreadableRequestError, /vote that cannot be read/)
      }
      await signer.reserveVote(TASK, ballot({ cycle: 22 }))
    })

    it('of a cycle for another task, or of another key, is another, or none of ours', async () => {
      await signer.signTransaction(transaction(voteOf(ballot())))
      const other = new PublicKey(digest(9)).toBase58()
      await signer.signTransaction(transaction(voteOf(ballot({ totalRewards: 1n }), { task: other })))
      // two in one transaction, the second of which contradicts: neither is held to
      await refused(
        signer.signTransaction(transaction(voteOf(ballot({ cycle: 5 })), voteOf(ballot({ cycle: 5, totalRewards: 1n })))),
        UnreadableRequestError,
        /transaction of 2 instructions/
      )
      await signer.reserveVote(TASK, ballot({ cycle: 5, totalRewards: 1n }))
      const bobs = new Transaction({ feePayer: new PublicKey(bob.address), blockhash: BLOCKHASH, lastValidBlockHeight: 1 })
        .add(voteOf(ballot(), { stakingKey: bob.address }))
        .serializeMessage()
      await refused(signer.signTransaction(bobs), UnreadableRequestError, /not for this key alone/)
    })
  })

  describe('transactions', () => {
    it('are those of a node: batches of votes, and slashes by the ledger', async () => {
      const votes = [bob, carol].map(({ address, secretKey }) => ({
        staker: address,
        stakingKey: address,
        signature: signEd25519(voteMessage({ task: TASK, ...ballot() }), secretKey)
      }))
      const batch = transaction(...voteBatch({ task: TASK, ...ballot(), votes }), ...price(10_000))
      const slash = transaction(applySlash({ task: TASK, staker: bob.address, reward: 0n, slash: 5n, proof: [] }))
      for (const message of [batch, slash]) {
        expect(verifyEd25519(await signer.signTransaction(message), message, alice.publicKey)).to.equal(true)
      }
      expect(store.signerLog.list(TASK, 0)).to.deep.equal([])
    })

    it('that move what is the key’s, or that cannot be read, are not signed', async () => {
      const from = new PublicKey(alice.address)
      const lamports = { fromPubkey: from, toPubkey: new PublicKey(bob.address), lamports: 1 }
      const own = { task: TASK, staker: alice.address, withdrawAuthority: alice.address }
      const settles = (data: Uint8Array) =>
        new TransactionInstruction({ programId: new PublicKey(PROGRAM_ID), keys: [], data: Buffer.from(data) })
      /** The precompile, with so many signatures as it says. */
      const claims = (count: number) =>
        new TransactionInstruction({ programId: Ed25519Program.programId, keys: [], data: Buffer.concat([Buffer.of(count, 0)]) })
      const [precompile, batch] = voteBatch({
        task: TASK,
        ...ballot(),
        votes: [{ staker: bob.address, stakingKey: bob.address, signature: new Uint8Array(64) }]
      })
      const moved = new TransactionInstruction({ ...precompile, data: Buffer.from(precompile.data) })
      moved.data.writeUInt16LE(2, 2 + 8) // the message begins elsewhere
      const longer = new TransactionInstruction({ ...batch, data: Buffer.concat([batch.data, Buffer.of(0)]) })
      const versioned = Buffer.from(transaction(voteOf(ballot())))
      versioned[0] = 0x80
      const padded = Buffer.concat([transaction(voteOf(ballot())), Uint8Array.of(0)])
      const foreign = voteOf(ballot())
      foreign.programId = new PublicKey(digest(9))
      const short = voteOf(ballot())
      short.data = short.data.subarray(0, 80)
      const cases: Array<[string, Uint8Array, RegExp]> = [
        ['a transfer', transaction(SystemProgram.transfer(lamports)), /for .*1111/],
        ['a transfer beside a vote', transaction(voteOf(ballot()), SystemProgram.transfer(lamports)), /for .*1111/],
        ['an unstake', transaction(unstake({ ...own, amount: 1n })), /instruction unstake/],
        ['a claim', transaction(claim({ ...own, reward: 1n, slash: 0n, proof: [] })), /instruction claim/],
        [
          'more stake',
          transaction(stake({ task: TASK, stakingKey: alice.address, payer: alice.address, amount: 1n, withdrawAuthority: alice.address })),
          /instruction stake/
        ],
        ['another program', transaction(foreign), /of 1 instructions for \w+/],
        ['a vote that is cut', transaction(short), /vote that cannot be read/],
        ['a signature check of whatever', transaction(precompile), /for Ed25519/],
        [
          'a bid past what is allowed',
          transaction(voteOf(ballot()), ...price(40_000_000_000)),
          /bids 1200000000 ROE, where 1000000000 are allowed/
        ],
        ['a bid for all units', transaction(voteOf(ballot()), price(1_000_000_000)[1]!), /bids 1400000000 ROE/],
        ['nothing but a bid', transaction(...price(1)), /of 0 instructions for no program/],
        ['a price said twice', transaction(voteOf(ballot()), ...price(1), price(2)[1]!), /said twice/],
        [
          'claimed signatures that K2 charges for',
          transaction(claims(255), settles(Uint8Array.of(10))),
          /batch of votes that cannot be read/
        ],
        ['more of them than a batch has', transaction(claims(60), batch), /batch of votes that cannot be read/],
        ['a batch that is checked against something else', transaction(moved, batch), /not put together as a batch/],
        ['a batch with something behind it', transaction(precompile, longer), /batch of votes that cannot be read/],
        ['a batch twice', transaction(precompile, batch, precompile, batch), /of 4 instructions/],
        ['a slash that is cut', transaction(settles(Uint8Array.of(12, 1, 2))), /instruction applySlash/],
        ['nothing but a tag', transaction(settles(Uint8Array.of(9))), /vote that cannot be read/],
        ['a heap frame', transaction(voteOf(ballot()), ComputeBudgetProgram.requestHeapFrame({ bytes: 1024 })), /RequestHeapFrame/],
        ['a versioned one', versioned, /cannot be read/],
        ['one with something behind it', padded, /more than one way/],
        ['anything', Buffer.from('a transaction message with a fresh blockhash'), /cannot be read/],
        ['nothing', new Uint8Array(), /cannot be read/],
        ['a message of the mesh', one, /cannot be read/]
      ]
      for (const [what, message, says] of cases) {
        await refused(signer.signTransaction(message), UnreadableRequestError, says).catch((err) => {
          throw new Error(`${what}: ${err.message}`)
        })
      }
      expect(store.signerLog.list(TASK, 0), 'nothing of them is kept').to.deep.equal([])
    })
  })

  describe('its log', () => {
    it('that cannot be written lets nothing be said, and says what to do', async () => {
      const { error, signatures } = await signingWith({
        put: () => {
          throw new Error('database or disk is full')
        }
      })
      expect(error).to.be.instanceOf(SignerLogError)
      expect(error?.message).to.match(/refusing to sign the submission of cycle 3: .*database or disk is full.*Make room on the disk/)
      expect(signatures).to.equal(0)
    })

    it('is written before there is a signature, for what may be said again as well', async () => {
      expect((await signingWith({})).events).to.deep.equal(['put submission', 'sign'])
      expect((await signingWith({}, bytesOf(announcement(1)))).events.map((event) => event.slice(0, 9))).to.deep.equal([
        'put again',
        'sign'
      ])
    })

    it('on a disk that is full refuses what it cannot hold, and signs it when there is room', async () => {
      const db = new DatabaseSync(join(dir, 'small.sqlite'))
      db.exec(
        'CREATE TABLE signed (task TEXT, cycle INTEGER, key TEXT, hash TEXT NOT NULL, bytes BLOB, PRIMARY KEY (task, cycle, key)) WITHOUT ROWID'
      )
      const { page_count: pages } = db.prepare('PRAGMA page_count').get() as { page_count: number }
      db.exec(`PRAGMA max_page_count = ${pages}`)
      const small = signerWith(alice, signerLogIn({ db, told: (write) => write(), want: (write) => write(), need: (write) => write() }))
      // more than the pages that there are hold
      const large = Array.from({ length: 40 }, (_, cycle) => bytesOf(submission('x'.repeat(400), cycle, 40 + 30 * cycle)))
      const outcomes = await Promise.allSettled(large.map((bytes) => small.signMessage(bytes)))
      const at = outcomes.findIndex(({ status }) => status === 'rejected')
      expect((outcomes[at] as PromiseRejectedResult).reason).to.be.instanceOf(SignerLogError)
      expect(small.has(large[at]!)).to.equal(false)
      db.exec('PRAGMA max_page_count = 1000')
      expect(verifyEd25519(await small.signMessage(large[at]!), large[at]!, alice.publicKey)).to.equal(true)
      db.close()
    })

    it('keeps the bytes of what was signed, so that they can be said again, for as long as they are live', async () => {
      const again = bytesOf(announcement(1))
      const later = bytesOf(submission('later', 5, 190))
      for (const bytes of [one, again, later]) {
        await signer.signMessage(bytes)
      }
      reopen()
      const kept = (from: number) => store.signerLog.list(TASK, from).map(({ bytes }) => Buffer.from(bytes).toString('hex'))
      const hex = (...all: Uint8Array[]) => all.map((bytes) => Buffer.from(bytes).toString('hex'))
      expect(kept(0)).to.have.members(hex(one, again, later))
      expect(kept(5)).to.deep.equal(hex(later))
      store.signerLog.prune(TASK, 5)
      expect(kept(0)).to.deep.equal(hex(later))
      // what was reserved is remembered without them
      await refused(signer.signMessage(two))
      expect(signer.has(one)).to.equal(true)
    })

    it('of the release before this one is held to: a vote by its content, a message by its bytes', async () => {
      const hashOf = (content: Uint8Array) => createHash('sha256').update(content).digest('hex')
      // as version 0.1 wrote them
      const content = Buffer.from(`{"cycle":3,"root":"${'01'.repeat(32)}","recordDigest":"${'02'.repeat(32)}","totalRewards":"7"}`)
      store.signerLog.put(TASK, 3, 'vote', hashOf(content), content)
      store.signerLog.put(TASK, 3, 'submission', hashOf(one), one)
      await signer.signVote(TASK, ballot())
      await refused(signer.signVote(TASK, ballot({ totalRewards: 8n })))
      await signer.signMessage(one)
      await refused(signer.signMessage(two))
    })
  })

  describe('that is held, halted, or told what its key has said', () => {
    it('reserves nothing new while it is held, and repeats what it has said', async () => {
      await signer.signMessage(one)
      await signer.signTransaction(transaction(voteOf(ballot())))
      signer.hold('it listens')
      expect(verifyEd25519(await signer.signMessage(one), one, alice.publicKey)).to.equal(true)
      await signer.signMessage(bytesOf(announcement(1)))
      await signer.signTransaction(transaction(voteOf(ballot()), ...price(10_000)))
      for (const ask of [
        () => signer.signMessage(bytesOf(submission('x', 4, 160))),
        () => signer.reserveVote(TASK, ballot({ cycle: 4 })),
        () => signer.signVote(TASK, ballot({ cycle: 4 })),
        () => signer.signTransaction(transaction(voteOf(ballot({ cycle: 4 }))))
      ]) {
        await refused(ask(), SigningHeldError, /of cycle 4 is signed for now: it listens/)
      }
      signer.release()
      await signer.signMessage(bytesOf(submission('x', 4, 160)))
    })

    it('signs nothing at all once it is halted', async () => {
      await signer.signMessage(one)
      signer.halt('somebody else has the key')
      signer.release()
      for (const ask of [
        () => signer.signMessage(one),
        () => signer.signMessage(bytesOf(announcement(1))),
        () => signer.reserveVote(TASK, ballot()),
        () => signer.signVote(TASK, ballot()),
        () => signer.signTransaction(transaction(applySlash({ task: TASK, staker: bob.address, reward: 0n, slash: 5n, proof: [] })))
      ]) {
        await refused(ask(), SigningHeldError, /nothing is signed any more: somebody else has the key/)
      }
    })

    it('knows what it signed, and takes in what its key signed elsewhere', async () => {
      expect(signer.has(one)).to.equal(false)
      await signer.signMessage(one)
      expect(signer.has(one)).to.equal(true)
      expect(signer.has(two)).to.equal(false)
      signer.adopt(two)
      expect(signer.has(one), 'the first stays').to.equal(true)
      signer.adopt(bytesOf(submission('elsewhere', 4, 160)))
      await refused(signer.signMessage(bytesOf(submission('here', 4, 160))))
      const again = bytesOf(announcement(1))
      expect(signer.has(again)).to.equal(false)
      await signer.signMessage(again)
      expect(signer.has(again)).to.equal(true)
      expect(signer.has(Buffer.from('rubbish'))).to.equal(false)
    })
  })

  /** Signs once with a log of which `parts` are replaced, and tells what happened in which order. */
  async function signingWith(parts: Partial<SignerLog>, bytes = one) {
    const events: string[] = []
    const log: SignerLog = {
      get: () => undefined,
      put: (_task, _cycle, key) => {
        events.push(`put ${key}`)
      },
      list: () => [],
      prune: () => {},
      ...parts
    }
    let signatures = 0
    const watched = createSigner({
      keyPair: alice,
      log,
      programId: PROGRAM_ID,
      maxFeeRoe: 0n,
      signBytes: () => {
        signatures++
        events.push('sign')
        return new Uint8Array(64)
      }
    })
    let error: Error | undefined
    await watched.signMessage(bytes).catch((err: Error) => {
      error = err
    })
    return { events, signatures, error }
  }
})
