import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { pino } from 'pino'
import type { Timing } from '../../src/clock/index.ts'
import { type KeyInUseError, type KeyPair, keyPairFromSeed, signEd25519, verifyEd25519 } from '../../src/identity/index.ts'
import type { StakeAccount } from '../../src/k2/settlement/index.ts'
import { createEvents, type NodeEvent } from '../../src/observe/index.ts'
import { createKeyGuard, type KeyGuard } from '../../src/participant/key-guard.ts'
import { GRACE_SLOTS } from '../../src/participant/key-standing.ts'
import { reopened, unsaid } from '../../src/participant/say-again.ts'
import { type Signer, SigningHeldError } from '../../src/signer/index.ts'
import { openStore, type Store } from '../../src/store/index.ts'
import { type Body, type Message, networkOf, seal } from '../../src/wire/index.ts'
import { signerWith } from '../signer/signers.ts'

const TASK = '9xQeWvG816bUx9EPjHmaT23yvVM2ZWbrrpZb9PusVFin'
const network = networkOf('4uhcVJyU9pJkvQyS88uRDiswHXSCkY3zQawwpjk2NsNY', TASK)
const timing: Timing = { startingSlot: 1000, roundSlots: 30, submissionWindow: 12, auditWindow: 16 }
const pair = keyPairFromSeed(new Uint8Array(32).fill(7))
const other = keyPairFromSeed(new Uint8Array(32).fill(8))
/** In round 10. */
const START = 1310
const UNTIL = START + 90
const digest = (byte: number) => new Uint8Array(32).fill(byte)

const empty = Array.from({ length: 4 }, () => ({ value: 0n, from: 0 }))
const stakeFrom = (cycle: number, more: Partial<StakeAccount> = {}): StakeAccount =>
  ({
    staker: pair.address,
    stakingKey: pair.address,
    formerKey: undefined,
    keyFrom: 0,
    amount: [{ value: 10n, from: cycle }, ...empty.slice(1)],
    ...more
  }) as StakeAccount

const submission = (slot: number, value = 'x', cycle = 9): Body => ({
  cycle,
  slot,
  submission: { value: new Uint8Array(Buffer.from(value)), proofs: [] }
})
const announcement = (slot: number, sequence: number): Body => ({
  cycle: 10,
  slot,
  announcement: { peerId: new Uint8Array(4), multiaddrs: [], sequence, expirySlot: slot + 100 }
})

/** As a node would sign it that has another log. */
const elsewhere = (body: Body, key: KeyPair = pair): Promise<Message> =>
  seal(body, network, { publicKey: key.publicKey, sign: async (bytes) => signEd25519(bytes, key.secretKey) })

describe('participant: whose the staking key is', () => {
  let dir: string
  let store: Store
  let signer: Signer
  let guard: KeyGuard
  let happened: NodeEvent[]
  let silentUntil: number | undefined
  let stakes: StakeAccount[]
  let vote: { cycle: number; recordDigest: Uint8Array } | undefined
  let sure: boolean

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'koii-mesh-guard-'))
    stakes = [stakeFrom(3)]
    vote = undefined
    sure = true
    open()
  })
  afterEach(async () => {
    store.close()
    await rm(dir, { recursive: true })
  })

  function open(idle = false): void {
    happened = []
    silentUntil = undefined
    store = openStore({ dir })
    signer = signerWith(pair, store.signerLog)
    const events = createEvents({ slot: () => START, node: pair.address })
    events.on((event) => happened.push(event))
    guard = createKeyGuard({
      self: pair.address,
      network,
      task: TASK,
      timing,
      signer,
      log: store.signerLog,
      store: { origin: () => store.origin(TASK), trustLog: () => store.trustLog(TASK) },
      state: store.taskSpace(TASK, 'key-guard', undefined, true),
      chain: { lastVote: async () => ({ value: vote, sure, slot: START, witnesses: 1, of: 1 }) },
      accounts: () => stakes,
      verify: verifyEd25519,
      idle,
      events,
      logger: pino({ level: 'silent' }),
      onListen: (slot) => {
        silentUntil = slot
      }
    })
  }
  const reopen = (idle = false) => {
    store.close()
    open(idle)
  }
  /** A node that has run before: its log is its own. */
  const settled = async (begin = START) => {
    store.trustLog(TASK)
    await guard.begin(begin)
  }
  const own = (body: Body): Promise<Message> => seal(body, network, { publicKey: pair.publicKey, sign: signer.signMessage })
  const castVote = async (cycle: number, byte: number) => {
    await signer.reserveVote(TASK, { cycle, root: digest(0), recordDigest: digest(byte), totalRewards: 1n })
  }
  const expectStopped = async (says: RegExp) => {
    expect(guard.status().state).to.equal('stopped')
    expect(happened.map(({ event }) => event)).to.include('key-conflict')
    const error: KeyInUseError = await guard.stopped
    expect(error.name).to.equal('KeyInUseError')
    expect(error.message)
      .to.match(says)
      .and.to.match(/Find the other node and stop it/)
    expect(silentUntil).to.equal(Number.POSITIVE_INFINITY)
    expect(await own(submission(START + 3)).catch((err: Error) => err)).to.be.instanceOf(SigningHeldError)
  }
  const expectListening = (until = UNTIL) => {
    expect(guard.status()).to.include({ state: 'listens', untilSlot: until })
    expect(happened.at(-1)).to.include({ event: 'silent', until })
    expect(guard.notice()).to.match(new RegExp(`until slot ${until}.*--key-is-idle`))
    expect(silentUntil).to.equal(until)
  }
  const expectSigning = () => {
    expect(guard.status()).to.deep.equal({ state: 'signs', untilSlot: null, reason: null })
    expect(guard.notice()).to.equal(null)
    expect(guard.mayAnnounce()).to.equal(true)
  }

  describe('at the start', () => {
    it('signs at once with a stake that is new, whose first cycle has not begun', async () => {
      for (const accounts of [[], [stakeFrom(11)]]) {
        stakes = accounts
        await guard.begin(START)
        expectSigning()
        await own(submission(START))
        reopen()
      }
    })

    it('listens for three rounds with an empty log and a stake that counts', async () => {
      await guard.begin(START)
      expectListening()
      expect(guard.status().reason).to.match(/empty.*counts already/)
      const error = await own(submission(START)).catch((err: Error) => err)
      expect(error).to.be.instanceOf(SigningHeldError)
    })

    it('listens with an empty log and a stake that has voted, and says when the log is lost', async () => {
      store.close()
      const { writeFile } = await import('node:fs/promises')
      await rm(join(dir, 'node.sqlite-wal'), { force: true })
      await writeFile(join(dir, 'node.sqlite'), '')
      open()
      stakes = [stakeFrom(11)]
      vote = { cycle: 4, recordDigest: digest(1) }
      await guard.begin(START)
      expectListening()
      expect(guard.status().reason).to.match(/lost.*vote of this key for cycle 4/)
    })

    it('goes on listening after a restart, until the same slot', async () => {
      await guard.begin(START)
      reopen()
      await guard.begin(START + 40)
      expectListening()
      guard.onSlot(UNTIL)
      expectSigning()
      reopen()
      await guard.begin(UNTIL + 1)
      expectSigning()
    })

    it('listens anew where that slot has passed while nobody listened: the key may have spoken meanwhile', async () => {
      await guard.begin(START)
      reopen()
      await guard.begin(UNTIL)
      expectListening(UNTIL + 3 * timing.roundSlots)
      expect(guard.status().reason).to.match(/empty/)
    })

    it('goes on listening when the disk is full as it would begin to sign, and signs once there is room', async () => {
      await guard.begin(START)
      const { trustLog } = store
      store.trustLog = () => {
        throw new Error('database or disk is full')
      }
      guard.onSlot(UNTIL)
      expectListening()
      store.trustLog = trustLog
      guard.onSlot(UNTIL + 1)
      expect(happened.at(-1)).to.include({ event: 'speaking' })
      expectSigning()
      await own(submission(UNTIL + 1))
    })

    it('signs when it has listened, and remembers which votes were of before', async () => {
      vote = { cycle: 7, recordDigest: digest(1) }
      await guard.begin(START)
      guard.onSlot(UNTIL - 1)
      expect(guard.isListening()).to.equal(true)
      guard.onSlot(UNTIL)
      expectSigning()
      expect(happened.at(-1)).to.include({ event: 'speaking' })
      await own(submission(UNTIL))
      await guard.checkVote()
      expectSigning()
      reopen()
      await guard.begin(UNTIL + 5)
      await guard.checkVote()
      expectSigning()
    })

    it('listens with an older log: K2 has a vote that it has not', async () => {
      await castVote(6, 1)
      vote = { cycle: 7, recordDigest: digest(1) }
      await settled()
      expectListening()
      expect(guard.status().reason).to.match(/vote of this key for cycle 7.*older/)
    })

    it('signs at once with its own log: K2’s vote is in it', async () => {
      await castVote(7, 1)
      vote = { cycle: 7, recordDigest: digest(1) }
      await settled()
      expectSigning()
    })

    it('does not take the vote of a key that it replaced for one of its own', async () => {
      stakes = [stakeFrom(3, { formerKey: other.address, keyFrom: 11 })]
      vote = { cycle: 8, recordDigest: digest(1) }
      await guard.begin(START)
      expectSigning()
    })

    it('signs at once when told that the key is idle, and at the next start, too', async () => {
      reopen(true)
      vote = { cycle: 7, recordDigest: digest(1) }
      await guard.begin(START)
      expectSigning()
      reopen()
      await guard.begin(START + 10)
      expectSigning()
    })

    it('tells nobody that it is there until its twin would have voted', async () => {
      await guard.begin(START)
      expect(guard.mayAnnounce()).to.equal(false)
      guard.onSlot(1359)
      expect(guard.mayAnnounce()).to.equal(false)
      guard.onSlot(1360) // the round in which cycle 9 is voted on is over
      expect(guard.mayAnnounce()).to.equal(true)
      expect(guard.isListening()).to.equal(true)
    })
  })

  describe('while it runs', () => {
    it('takes back what it said itself, of every kind, after a restart as well', async () => {
      await settled()
      const said = [await own(submission(START)), await own(announcement(START, 1))]
      reopen()
      await settled(START - 50)
      for (const message of said) {
        expect(guard.heard(message)).to.equal(true)
      }
      expectSigning()
    })

    it('takes no notice of what others say', async () => {
      await settled()
      expect(guard.heard(await elsewhere(submission(START + 100), other))).to.equal(true)
      expectSigning()
    })

    it('stops when its key says what it did not', async () => {
      await settled()
      await own(submission(START))
      expect(guard.heard(await elsewhere(submission(START + GRACE_SLOTS + 1, 'another')))).to.equal(false)
      await expectStopped(/\(submission\) for cycle 9/)
    })

    it('stops when another node announces itself with its key', async () => {
      await settled()
      await own(announcement(START, 1))
      expect(guard.heard(await elsewhere(announcement(START + GRACE_SLOTS + 1, 2)))).to.equal(false)
      await expectStopped(/\(announcement\)/)
    })

    it('stops for evidence, whoever brings it, and for none that is about others', async () => {
      await settled()
      const evidence = async (key: KeyPair) => {
        const [first, second] = [await elsewhere(submission(START + 20, 'a'), key), await elsewhere(submission(START + 20, 'b'), key)]
        return elsewhere({ cycle: 9, slot: START + 21, equivocation: { first: first.envelope, second: second.envelope } }, other)
      }
      expect(guard.heard(await evidence(other))).to.equal(true)
      expectSigning()
      expect(guard.heard(await evidence(pair))).to.equal(false)
      await expectStopped(/\(submission\) for cycle 9/)
    })

    it('believes no signature that it has not checked', async () => {
      await settled()
      const message = await elsewhere(submission(START + 100))
      message.envelope.signature = new Uint8Array(64).fill(1)
      guard.heardRefused(message)
      expectSigning()
      guard.heardRefused(await elsewhere(submission(START + 100)))
      await expectStopped(/\(submission\)/)
    })

    it('stops when a peer speaks for its stake', async () => {
      await settled()
      guard.heardTwin('12D3KooW')
      await expectStopped(/peer 12D3KooW speaks for its stake/)
    })

    it('listens when it hears what its key said before it started: its log is an older one', async () => {
      await settled()
      expect(guard.heard(await elsewhere(submission(START - 2)))).to.equal(true)
      expectListening()
      // and is held to it from then on
      guard.onSlot(UNTIL)
      expect(((await own(submission(START, 'another')).catch((err: Error) => err)) as Error).message).to.match(
        /second, different submission/
      )
    })

    it('listens for three rounds when its log cannot be relied on any more, and once', async () => {
      await settled()
      guard.mistrust('the log of the signer lacks something')
      expectListening()
      expect(guard.status().reason).to.equal('the log of the signer lacks something')
      guard.onSlot(START + 50)
      guard.mistrust('it still does')
      expectListening()
      guard.onSlot(UNTIL)
      expectSigning()
      guard.heardTwin('12D3KooW')
      guard.mistrust('too late')
      expect(guard.status()).to.include({ state: 'stopped' })
    })

    it('without a memory of its own says nothing of what may be said again in cycles that are over', async () => {
      await settled()
      guard.heardRefused(await elsewhere({ ...announcement(START - 200, 1), cycle: 5 }))
      expectSigning()
      expect(guard.heard(await elsewhere(submission(START - 200, 'x', 5)))).to.equal(true)
      expectListening()
    })

    it('stops for what is said by its key while it listens', async () => {
      await guard.begin(START)
      expect(guard.heard(await elsewhere(submission(START - 2)))).to.equal(true)
      expectListening()
      expect(guard.heard(await elsewhere(submission(START + GRACE_SLOTS + 1, 'y', 10)))).to.equal(false)
      await expectStopped(/cycle 10/)
    })

    it('listens at the next start after it stopped, and does not speak for being started again', async () => {
      await settled()
      guard.heardTwin('12D3KooW')
      reopen()
      await guard.begin(START + 10)
      expectListening(UNTIL + 10)
      guard.onSlot(UNTIL + 10)
      expectSigning()
      reopen()
      await guard.begin(UNTIL + 20)
      expectSigning()
    })

    it('stops for a vote on K2 that it did not cast, and for one that is not the one it cast', async () => {
      await settled()
      await castVote(8, 1)
      vote = { cycle: 8, recordDigest: digest(1) }
      await guard.checkVote()
      expectSigning()
      // the window of cycle 9 opens after the start
      vote = { cycle: 9, recordDigest: digest(2) }
      sure = false
      await guard.checkVote()
      expectSigning()
      sure = true
      await castVote(9, 1)
      await guard.checkVote()
      await expectStopped(/the vote on K2 for cycle 9/)
    })

    it('while it listens lets a vote of before come to K2 late, and stops for one of now', async () => {
      await guard.begin(START)
      vote = { cycle: 8, recordDigest: digest(1) }
      await guard.checkVote()
      expectListening()
      vote = { cycle: 9, recordDigest: digest(1) }
      guard.onSlot(START + 35)
      await guard.stopped
      await expectStopped(/cycle 9/)
    })

    it('stops for nothing that its own log has dropped, when a clock that ran ahead goes back', async () => {
      await settled()
      const at = START + GRACE_SLOTS + 5
      const said = await own(announcement(at, 1))
      // one endpoint runs away for ten rounds, and comes back
      guard.onSlot(at + 300)
      guard.forget(18)
      guard.onSlot(at + 2, true)
      // others have it still, and sync brings it
      expect(guard.heard(said)).to.equal(true)
      expectSigning()
      reopen()
      await settled(at + 3)
      expect(guard.heard(said)).to.equal(true)
      expectSigning()
      // what may be said once is never dropped, and a twin's is noticed as ever
      expect(guard.heard(await elsewhere(submission(at + GRACE_SLOTS + 9, 'y', 10)))).to.equal(false)
    })

    it('listens for three rounds of the clock that it went back to', async () => {
      await guard.begin(START + 900_000)
      guard.onSlot(START, true)
      expect(guard.status()).to.include({ state: 'listens', untilSlot: UNTIL })
      expect(silentUntil).to.equal(UNTIL)
      guard.onSlot(UNTIL)
      expectSigning()
      expect(guard.heard(await elsewhere(submission(UNTIL + GRACE_SLOTS, 'y', 10)))).to.equal(false)
    })

    it('knows what a testnet’s faulty node sent behind its back', async () => {
      await settled()
      const message = await elsewhere(submission(START + 100))
      guard.said(message)
      expect(guard.heard(message)).to.equal(true)
      expectSigning()
    })
  })

  it('says again what a kill left in the Signer’s log alone, as it was', async () => {
    await settled()
    const lost = await own(submission(START))
    const heard = await own(submission(START, 'x', 8))
    await own(announcement(START, 1))
    await castVote(8, 1)
    reopen()
    const again = await unsaid({
      signer,
      log: store.signerLog,
      task: TASK,
      fromCycle: 8,
      network,
      isKnown: (id) => id === heard.id
    })
    expect(again.skipped).to.equal(null)
    expect(again.read.map(({ id }) => id)).to.deep.equal([lost.id])
    expect(Buffer.from(again.read[0]!.bytes).equals(lost.bytes)).to.equal(true)
  })

  it('what another version signed, or the disk changed, is passed over, and the rest said', async () => {
    const lost = await own(submission(START - 5))
    const older = new Uint8Array([...network.signaturePrefix, 0, 0, 0, 2, 0xff, 0xff])
    store.signerLog.put(TASK, 9, 'an older kind', createHash('sha256').update(older).digest('hex'), older)
    store.signerLog.put(TASK, 9, 'changed', '00'.repeat(32), lost.bytes)
    store.signerLog.put(TASK, 9, 'changed too', '00'.repeat(32), new Uint8Array([...network.signaturePrefix, 0, 0, 0, 1, 8]))
    const { read, skipped } = await unsaid({ signer, log: store.signerLog, task: TASK, fromCycle: 8, network, isKnown: () => false })
    expect(read.map(({ id }) => id)).to.deep.equal([lost.id])
    expect(skipped?.count).to.equal(2)
  })

  it('what was heard and cannot be read is passed over, one by one', async () => {
    const [first, second] = [await own(submission(START - 5)), await own(submission(START - 4, 'y', 8))]
    const kept = [first.bytes, new Uint8Array([1, 2, 3]), second.bytes, second.bytes.subarray(1)].map((bytes, slot) => ({ bytes, slot }))
    const { read, skipped } = reopened(kept, network)
    expect(read.map(({ message, slot }) => [message.id, slot])).to.deep.equal([
      [first.id, 0],
      [second.id, 2]
    ])
    expect(skipped?.count).to.equal(2)
    expect(skipped?.reason).to.match(/does not decode/)
    expect(reopened([], network)).to.deep.equal({ read: [], skipped: null })
  })
})
