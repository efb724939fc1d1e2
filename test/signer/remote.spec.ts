/** A node that has its key in a signer process: what it signs, what it waits for, and what it believes of its signer no more. */
import { cpSync, existsSync, renameSync, rmSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { join } from 'node:path'
import { PublicKey, Transaction } from '@solana/web3.js'
import { expect } from 'chai'
import { keyPairFromSeed, lockKeyFile, verifyEd25519, writeKeyFile } from '../../src/identity/index.ts'
import type { FinalVote } from '../../src/k2/index.ts'
import { vote, voteMessage } from '../../src/k2/settlement/index.ts'
import { ContradictionError, SignerAwayError, SigningHeldError, UnreadableRequestError } from '../../src/signer/index.ts'
import { createLink } from '../../src/signer/remote/link.ts'
import { toText } from '../../src/signer/remote/protocol.ts'
import { openStore } from '../../src/store/index.ts'
import { Body, signedBytes } from '../../src/wire/index.ts'
import { type Cli, run, tempDir } from '../e2e/cli.ts'
import { alice, bob, NETWORK, submission, TASK } from '../wire/people.ts'
import { refused } from './refused.ts'
import { killed, maySign, type NodeSide, nodeSide, type Place, placeFor, startSigner, upSigner } from './signer-process.ts'
import { signerWith } from './signers.ts'

const bytesOf = (body: Body) => signedBytes(NETWORK, Body.encode(body))
const [one, two] = [bytesOf(submission('one')), bytesOf(submission('another'))]
const announcement = (sequence: number) =>
  bytesOf({ cycle: 3, slot: 130, announcement: { peerId: new Uint8Array(4), multiaddrs: [], sequence, expirySlot: 230 } })
const ballot = (byte: number, cycle = 3): FinalVote => ({
  cycle,
  root: new Uint8Array(32).fill(byte),
  recordDigest: new Uint8Array(32).fill(byte),
  totalRewards: 7n
})
const transaction = (content: FinalVote) =>
  new Transaction({
    feePayer: new PublicKey(alice.address),
    blockhash: new PublicKey(new Uint8Array(32).fill(5)).toBase58(),
    lastValidBlockHeight: 1
  })
    .add(vote({ task: TASK, stakingKey: alice.address, ...content }))
    .serializeMessage()
const isOfAlice = (signature: Uint8Array, bytes: Uint8Array) => verifyEd25519(signature, bytes, alice.publicKey)

describe('a signer process and its node', function () {
  this.timeout(60_000)
  let place: Place
  let remove: () => Promise<void>
  let signer: Cli
  let node: NodeSide
  const others: NodeSide[] = []
  const processes: Cli[] = []
  const up = async (...more: string[]) => {
    signer = await upSigner(place, ...more)
    processes.push(signer)
    return signer
  }
  const other = async (name: string) => {
    const side = await nodeSide(place, { name })
    others.push(side)
    return side
  }

  beforeEach(async () => {
    const temporary = await tempDir()
    remove = temporary.remove
    place = await placeFor(temporary.dir, alice)
    await up()
    node = await nodeSide(place)
    maySign(node)
  })
  afterEach(async () => {
    for (const side of [node, ...others.splice(0)]) {
      await side.close()
    }
    await Promise.all(processes.splice(0).map((process) => process.clean()))
    await remove()
  })

  it('signs each kind of request, knows what it signed, and keeps a copy of its log at the node', async () => {
    expect(node.signer.address).to.equal(alice.address)
    expect(isOfAlice(await node.signer.signMessage(one), one)).to.equal(true)
    expect(isOfAlice(await node.signer.signMessage(one), one)).to.equal(true)
    await node.signer.reserveVote(TASK, ballot(1))
    expect(isOfAlice(await node.signer.signVote(TASK, ballot(1)), voteMessage({ task: TASK, ...ballot(1) }))).to.equal(true)
    expect(isOfAlice(await node.signer.signTransaction(transaction(ballot(1))), transaction(ballot(1)))).to.equal(true)
    expect(isOfAlice(await node.signer.signMessage(announcement(1)), announcement(1))).to.equal(true)
    expect([one, announcement(1), two, announcement(2)].map(node.signer.has)).to.deep.equal([true, true, false, false])
    const copied = node.log.list(TASK, 0)
    await node.close()
    await killed(signer)
    const theirs = openStore({ dir: place.data })
    expect(theirs.signerLog.list(TASK, 0)).to.deep.equal(copied)
    theirs.close()
    expect(copied.map(({ key }) => key.replace(/\/.*/, ''))).to.deep.equal(['again', 'submission', 'vote'])
  })

  it('refuses what contradicts, also to a node that knows nothing of it, and after a restart of either', async () => {
    await node.signer.signMessage(one)
    await node.signer.signVote(TASK, ballot(1))
    const all = async ({ signer }: NodeSide) => {
      await refused(signer.signMessage(two), ContradictionError, /second, different submission of cycle 3/)
      await refused(signer.signVote(TASK, ballot(2)), ContradictionError, /second, different vote of cycle 3/)
      await refused(signer.reserveVote(TASK, ballot(2)), ContradictionError, /second, different vote/)
      await refused(signer.signTransaction(transaction(ballot(2))), ContradictionError, /second, different vote/)
      expect(isOfAlice(await signer.signMessage(one), one)).to.equal(true)
      expect(isOfAlice(await signer.signTransaction(transaction(ballot(1))), transaction(ballot(1)))).to.equal(true)
    }
    await all(node)
    await node.close()
    const fresh = await other('another')
    maySign(fresh)
    await all(fresh)
    await fresh.close()
    others.pop()
    await killed(signer)
    await up()
    node = await nodeSide(place)
    maySign(node)
    await all(node)
    await refused(node.signer.signMessage(new Uint8Array(9)), UnreadableRequestError, /cannot be read/)
  })

  it('asks the signer itself what contradicts, and not only its copy', async () => {
    await node.signer.signMessage(one)
    await node.close()
    node = await nodeSide(place, {
      name: 'blind',
      // a copy that takes nothing, and knows nothing
      log: { get: () => undefined, put() {}, list: () => [], prune() {}, page: () => [], takeAll() {} }
    })
    maySign(node)
    await refused(node.signer.signMessage(two), ContradictionError, /second, different submission/)
  })

  it('signs nothing new while it is held, also after a restart of the signer, and what may be said again all the same', async () => {
    await node.signer.signMessage(one)
    node.signer.hold('it listens')
    const held = async () => {
      await refused(node.signer.signMessage(bytesOf(submission('x', 4, 160))), SigningHeldError, /for now: it listens/)
      await refused(node.signer.signVote(TASK, ballot(1, 4)), SigningHeldError, /it listens/)
      expect(isOfAlice(await node.signer.signMessage(one), one)).to.equal(true)
      expect(isOfAlice(await node.signer.signMessage(announcement(1)), announcement(1))).to.equal(true)
    }
    await held()
    const back = node.heard.next('back')
    await killed(signer)
    await up()
    await back
    await held()
    node.signer.release()
    await node.signer.signMessage(bytesOf(submission('x', 4, 160)))
  })

  it('is held before the node says otherwise: a new node, and a signer that was just started', async () => {
    await node.close()
    node = await nodeSide(place)
    await refused(node.signer.signMessage(one), SigningHeldError, /has not begun to sign/)
    maySign(node)
    await node.signer.signMessage(one)
  })

  it('signs nothing any more when it was halted, whatever is restarted; a new node is to listen first', async () => {
    const haltIsHeard = signer.event('halt', ({ event, state }) => event === 'standing' && state === 'halted')
    node.signer.halt('a twin')
    node.signer.release()
    await refused(node.signer.signMessage(one), SigningHeldError, /any more: a twin/)
    await haltIsHeard
    await killed(signer)
    const back = node.heard.next('back')
    const again = await up()
    await back
    await again.event('halt', ({ event, state }) => event === 'standing' && state === 'halted')
    await refused(node.signer.signTransaction(transaction(ballot(1))), SigningHeldError, /any more: a twin/)
    await node.close()
    // with a data directory that knows of no halt
    node = await nodeSide(place, { name: 'fresh' })
    expect(node.trust.origin()).to.equal('lost')
    maySign(node)
    await node.signer.signMessage(one)
    await node.close()
    node = await nodeSide(place, { name: 'fresh' })
    expect(node.trust.origin()).to.equal('kept')
  })

  it('waits for a signer that is away, and says so, until it is back', async () => {
    expect(node.notice()).to.equal(null)
    const away = node.heard.next('away')
    await killed(signer)
    const [message, ofVote, sent] = [
      node.signer.signMessage(one),
      node.signer.signVote(TASK, ballot(1)),
      node.signer.signTransaction(transaction(ballot(1)))
    ]
    expect(await away).to.match(
      /the signer at .*socket does not answer.*start it: .*signer --key KEY_FILE --data-dir .* --socket \/.*socket/
    )
    // why it does not answer may be another reason by now
    expect(node.notice()).to.match(/the signer at .*socket does not answer.*start it: /)
    const back = node.heard.next('back')
    await up()
    expect(isOfAlice(await message, one)).to.equal(true)
    expect(isOfAlice(await ofVote, voteMessage({ task: TASK, ...ballot(1) }))).to.equal(true)
    expect(isOfAlice(await sent, transaction(ballot(1)))).to.equal(true)
    await back
    expect(node.notice()).to.equal(null)
    expect(node.heard.said.map(([what]) => what)).to.deep.equal(['away', 'back'])
  })

  it('waits no longer than its cycle is live, nor than the node runs', async () => {
    await killed(signer)
    const late = node.signer.signMessage(one)
    node.live(4)
    await refused(late, SignerAwayError, /does not answer/)
    const live = node.signer.signMessage(bytesOf(submission('x', 4, 160)))
    node.abandon()
    await refused(live, SignerAwayError, /is being stopped/)
  })

  it('signs nothing while the signer has another key, and goes on with its own', async () => {
    const away = node.heard.next('away')
    await killed(signer)
    const own = `${place.key}.own`
    renameSync(place.key, own)
    await writeKeyFile(place.key, bob)
    // with what is asked for while it waits
    const asked = node.signer.signMessage(one)
    const another = await up()
    await away
    await another.event('node', ({ event }) => event === 'node')
    while (!/has the key/.test(node.notice() ?? '')) {
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    expect(node.notice()).to.include(`it has the key ${bob.address} now, and this node is that of ${alice.address}`)
    await killed(another)
    renameSync(own, place.key)
    await up()
    expect(isOfAlice(await asked, one)).to.equal(true)
  })

  describe('whose log lacks what the node had signed', () => {
    const restarted = async (change: () => void) => {
      await killed(signer)
      change()
      const mistrust = node.heard.next('mistrust')
      await up()
      return mistrust
    }

    it('is mistrusted when its data directory is empty: nothing new is signed, and nothing that contradicts, until the node has listened', async () => {
      await node.signer.signMessage(one)
      expect(await restarted(() => rmSync(place.data, { recursive: true }))).to.match(/lacks what this node signed/)
      expect(node.trust.origin()).to.equal('lost')
      await refused(node.signer.signMessage(bytesOf(submission('x', 4, 160))), SigningHeldError, /lacks what this node signed/)
      await refused(node.signer.signMessage(two), ContradictionError, /second, different submission/)
      // a restart of the node does not forget it, nor does one of the signer
      await node.close()
      node = await nodeSide(place, { name: 'knows nothing' })
      expect(node.trust.origin()).to.equal('new')
      await node.close()
      node = await nodeSide(place)
      expect(node.trust.origin()).to.equal('lost')
      maySign(node)
      await node.signer.signMessage(bytesOf(submission('x', 4, 160)))
      expect(node.heard.said).to.deep.equal([])
    })

    it('is mistrusted when it is an older copy, and by a node that was restarted with it', async () => {
      await node.signer.signMessage(one)
      await killed(signer)
      cpSync(place.data, `${place.data}-copy`, { recursive: true })
      await up()
      await node.signer.signMessage(bytesOf(submission('x', 4, 160)))
      const toOld = () => {
        rmSync(place.data, { recursive: true })
        cpSync(`${place.data}-copy`, place.data, { recursive: true })
      }
      expect(await restarted(toOld)).to.match(/lacks what this node signed/)
      // said to the signer, whose data directory remembers it
      await signer.event('mistrust', ({ event, distrust }) => event === 'standing' && distrust === true)
      await node.close()
      node = await nodeSide(place, { name: 'knows nothing' })
      expect(node.trust.origin()).to.equal('lost')
      await node.close()
      await killed(signer)
      toOld()
      await up()
      // of no account once the cycle is over
      node = await nodeSide(place, { liveFrom: () => 5 })
      expect(node.trust.origin()).to.equal('kept')
      await node.close()
      // and while the slot is not known yet, nothing is decided
      let now: number | undefined
      node = await nodeSide(place, { liveFrom: () => now })
      expect(node.trust.origin()).to.equal('kept')
      now = 4
      expect(node.trust.origin()).to.equal('lost')
    })

    it('is mistrusted when it is a new one, although nothing that is live was signed', async () => {
      await node.signer.signMessage(one)
      node.live(9)
      expect(await restarted(() => rmSync(place.data, { recursive: true }))).to.match(/data directory of the signer is another one/)
    })

    it('is mistrusted when it is another one of the same key, which may be relied on by itself', async () => {
      await node.signer.signMessage(one)
      node.live(9)
      const other = openStore({ dir: `${place.data}-other` })
      other.trustLog(TASK)
      other.close()
      const toOther = () => {
        rmSync(place.data, { recursive: true })
        renameSync(`${place.data}-other`, place.data)
      }
      expect(await restarted(toOther)).to.match(/data directory of the signer is another one/)
      await refused(node.signer.signMessage(bytesOf(submission('x', 9, 460))), SigningHeldError, /is another one/)
    })

    it('lacks nothing when the node’s own log was moved to it', async () => {
      await node.close()
      await killed(signer)
      rmSync(place.data, { recursive: true })
      const store = openStore({ dir: join(place.dir, 'moved') })
      const own = signerWith(alice, store.signerLog)
      await own.signMessage(one)
      store.trustLog(TASK)
      store.close()
      cpSync(join(place.dir, 'moved'), place.data, { recursive: true })
      await up()
      node = await nodeSide(place, { name: 'moved' })
      expect(node.trust.origin()).to.equal('kept')
      maySign(node)
      expect(node.signer.has(one)).to.equal(true)
      await refused(node.signer.signMessage(two), ContradictionError, /second, different submission/)
    })

    it('is held to what the node signed itself, before it had a signer', async () => {
      await node.close()
      const store = openStore({ dir: join(place.dir, 'moved') })
      store.signerLog.put(TASK, 3, 'submission', 'ab'.repeat(32), new Uint8Array(1))
      store.trustLog(TASK)
      store.close()
      maySign(await other('first'))
      await others.pop()!.close()
      node = await nodeSide(place, { name: 'moved' })
      expect(node.trust.origin()).to.equal('lost')
    })
  })

  it('takes into the signer’s log what the key has said elsewhere, also when the signer is away at that moment', async () => {
    await killed(signer)
    node.signer.adopt(one)
    const back = node.heard.next('back')
    await up()
    await back
    await refused(node.signer.signMessage(two), ContradictionError, /second, different submission/)
    await node.close()
    node = await nodeSide(place, { name: 'fresh' })
    maySign(node)
    await refused(node.signer.signMessage(two), ContradictionError, /second, different submission/)
  })

  it('copies a log of many pages, whatever lies in it', async () => {
    await node.close()
    await killed(signer)
    const theirs = openStore({ dir: place.data })
    const entries = Array.from({ length: 1_234 }, (_, i) => ({
      cycle: Math.floor(i / 3),
      key: ['submission', 'verdicts', 'vote'][i % 3]!,
      hash: i.toString(16).padStart(64, '0'),
      // the largest messages, among hashes alone
      bytes: i % 97 === 0 ? new Uint8Array(64 * 1024).fill(i) : null
    }))
    theirs.signerLog.takeAll(TASK, entries)
    theirs.close()
    await up()
    node = await nodeSide(place, { name: 'fresh' })
    const copied = [0, 1_000].flatMap((from) => node.log.page(TASK, { fromCycle: 0, after: entries[from - 1], limit: 1_000 }))
    expect(copied.map(({ hash, bytes }) => [hash, bytes?.length ?? null])).to.deep.equal(
      entries.map(({ hash, bytes }) => [hash, bytes?.length ?? null])
    )
  })

  it('forgets the bytes of old cycles with its node, and no hash', async () => {
    await node.signer.signMessage(one)
    await node.signer.signMessage(announcement(1))
    node.log.prune(TASK, 4)
    await node.signer.signMessage(bytesOf(submission('x', 4, 160)))
    await node.close()
    await killed(signer)
    const theirs = openStore({ dir: place.data })
    expect(theirs.signerLog.list(TASK, 0).map(({ cycle }) => cycle)).to.deep.equal([4])
    expect(theirs.signerLog.page(TASK, { fromCycle: 0, limit: 9 }).map(({ cycle, key }) => [cycle, key])).to.deep.equal([
      [3, 'submission'],
      [4, 'submission']
    ])
    theirs.close()
    await up()
    node = await nodeSide(place, { name: 'fresh' })
    expect(node.signer.has(one)).to.equal(true)
  })

  it('serves one node at a time', async () => {
    const err = await nodeSide(place, { name: 'second', patienceMs: 300 }).catch((err: Error) => err)
    expect(err).to.include({ name: 'KeyInUseError' })
    expect((err as Error).message).to.match(/serves another node/)
    await node.signer.signMessage(one)
    await node.close()
    node = await nodeSide(place, { name: 'second' })
  })

  it('has its key alone: no second signer, and no node with the key in its process', async () => {
    const second = await run(['signer', '--key', place.key, '--data-dir', join(place.dir, 's2'), '--socket', join(place.dir, 'p2', 's')])
    expect(second.code).to.equal(3)
    expect(second.stderr).to.match(/staking key .* is in use by another .*data directory .*signer/)
    expect(() => lockKeyFile(place.key, { dataDir: 'a node', task: TASK })).to.throw(/is in use/)
    await killed(signer)
    const lock = lockKeyFile(place.key, { dataDir: 'a node', task: TASK })
    const refused = startSigner(place)
    processes.push(refused)
    expect((await refused.ended).code).to.equal(3)
    expect(refused.stderr()).to.match(/in use by another .*data directory a node/)
    lock.release()
  })

  it('ends at each signal that asks for it, and takes its socket away', async () => {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
      expect(existsSync(place.socket)).to.equal(true)
      signer.signal(signal)
      expect(await signer.ended, signal).to.include({ code: 0 })
      expect(existsSync(place.socket)).to.equal(false)
      await up()
    }
    await node.signer.signMessage(one)
  })

  it('tells whether a message is in its log, and only to the node that it serves', async () => {
    await node.signer.signMessage(one)
    const link = createLink({ path: place.socket, answerMs: 5_000, stopping: new AbortController().signal })
    const has = (bytes: Uint8Array) => link.call('has', { bytes: toText(bytes) })
    await refused(has(one), SignerAwayError, /begins with session/)
    await node.close()
    await signer.event('end of the session', ({ event }) => event === 'node-left')
    await link.call('session', { task: TASK })
    expect([await has(one), await has(two)]).to.deep.equal([{ has: true }, { has: false }])
    link.close()
  })

  it('takes nothing that is no request, and goes on', async () => {
    await node.close()
    await signer.event('end of the session', ({ event }) => event === 'node-left')
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const post = (path: string, body: string) =>
      new Promise<number>((resolve, reject) => {
        const headers = { 'content-type': 'application/json' }
        const asked = request({ socketPath: place.socket, path, method: 'POST', agent, headers }, (response) => {
          response.resume()
          response.once('end', () => resolve(response.statusCode ?? 0))
        })
        asked.once('error', reject)
        asked.end(body)
      })
    const bytes = Buffer.from(one).toString('base64')
    const vote = { cycle: 3, root: toText(new Uint8Array(32)), recordDigest: toText(new Uint8Array(32)), totalRewards: '7' }
    const cases: Array<[status: number, path: string, body: unknown]> = [
      [428, 'sign-message', { bytes }],
      [200, 'session', { task: TASK }],
      [200, 'standing', { state: 'signs' }],
      [422, 'session', { task: TASK, more: 1 }],
      [422, 'session', {}],
      [422, 'sign-message', { bytes: 7 }],
      [422, 'sign-message', { bytes: 'not base64!' }],
      [422, 'sign-message', { bytes: toText(new Uint8Array(90_000)) }],
      // which ends the connection, and with it the session
      [413, 'sign-message', { bytes: 'A'.repeat(200_000) }],
      [428, 'ping', {}],
      [200, 'session', { task: TASK }],
      [403, 'sign-message', { bytes }],
      [200, 'standing', { state: 'signs' }],
      [422, 'sign-message', { bytes, kind: 'another' }],
      [422, 'sign-message', []],
      [422, 'sign-vote', { task: TASK, vote: { ...vote, cycle: -1 } }],
      [422, 'sign-vote', { task: TASK, vote: { ...vote, totalRewards: '99999999999999999999' } }],
      [422, 'sign-vote', { task: 'x'.repeat(40), vote }],
      [422, 'log', { task: TASK, fromCycle: 0.5 }],
      [422, 'standing', { state: 'released' }],
      [200, 'sign-message', { bytes }],
      [200, 'standing', { state: 'halted', reason: 'a twin' }],
      [403, 'standing', { state: 'signs' }],
      [200, 'session', { task: TASK }],
      [403, 'standing', { state: 'signs' }],
      [403, 'sign-message', { bytes }]
    ]
    for (const [status, path, body] of cases) {
      expect(await post(`/v2/${path}`, JSON.stringify(body)), `${path} ${JSON.stringify(body).slice(0, 100)}`).to.equal(status)
    }
    expect(await post('/v2/session', '{"')).to.equal(400)
    expect(await post('/v3/session', JSON.stringify({ task: TASK }))).to.equal(404)
    agent.destroy()
    node = await nodeSide(place)
    maySign(node)
    expect(isOfAlice(await node.signer.signMessage(one), one)).to.equal(true)
  })

  it('is another staker’s with another key, which knows nothing of the first', async () => {
    await node.signer.signMessage(one)
    await node.close()
    await killed(signer)
    const pair = keyPairFromSeed(new Uint8Array(32).fill(9))
    place = { ...place, key: join(place.dir, 'other.json'), data: join(place.dir, 'other') }
    await writeKeyFile(place.key, pair)
    await up()
    node = await nodeSide(place)
    expect(node.signer.address).to.equal(pair.address)
    expect(node.signer.has(one)).to.equal(false)
    maySign(node)
    await node.signer.signMessage(two)
  })
})
