import { expect } from 'chai'
import { windowOf } from '../../src/clock/index.ts'
import { createPool } from '../../src/judge/index.ts'
import { converse, next } from '../../src/network/index.ts'
import { type CycleIds, Envelopes, Have, Ids, Want } from '../../src/sync/generated/sync.js'
import { createSync, SYNC_LIMITS, SYNC_PROTOCOL, syncProtocol } from '../../src/sync/index.ts'
import type { Message } from '../../src/wire/index.ts'
import { Envelope, seal } from '../../src/wire/index.ts'
import { HANGS_MS } from '../cpu.ts'
import {
  fixedStakes,
  keyOf,
  type Mesh,
  type MeshNode,
  NETWORK,
  seed,
  signerOf,
  spawnMesh,
  submissionBody,
  TIMING,
  waitFor
} from '../network/mesh.ts'

const CROWD = 'someone'

/** A submission in cycle 1 of one of a crowd of stakers who run no node: as many messages as a test wants. */
function ofCrowd(at: number): Promise<Message> {
  return seal(
    submissionBody('x'.repeat(100), { cycle: 1, slot: windowOf(TIMING, 1, 'submission').from }),
    NETWORK,
    signerOf(keyOf(`${CROWD} ${at}`))
  )
}

/** Holds one conversation with a node's sync server and tells how it ended. */
async function talk(
  from: MeshNode,
  to: MeshNode,
  frames: (theirs: AsyncGenerator<Uint8Array>) => AsyncGenerator<Uint8Array>
): Promise<string> {
  const connection = from.libp2p.getConnections(to.libp2p.peerId)[0]!
  try {
    const stream = await connection.newStream(SYNC_PROTOCOL)
    await converse(stream, frames, { frameBytes: 1e7, totalBytes: 1e7 }, AbortSignal.timeout(HANGS_MS))
    return 'ended'
  } catch (err) {
    return (err as Error).name
  }
}

describe('sync', () => {
  let mesh: Mesh
  afterEach(() => mesh?.stop())

  it('brings both sides what gossip lost, and each to its judge', async () => {
    mesh = await spawnMesh({ nodes: 2 })
    await mesh.connected()
    const [alice, bob] = mesh.nodes as [MeshNode, MeshNode]
    const [one, two] = [await alice.submission('one'), await bob.submission('two')]
    alice.pool.add(one)
    bob.pool.add(two)
    expect(await alice.sync.now()).to.deep.equal({ peers: 1, received: 1, sent: 1 })
    await waitFor(() => bob.pool.has(one.id))
    expect(alice.received.map(({ id }) => id)).to.deep.equal([two.id])
    expect(bob.received.map(({ id }) => id)).to.deep.equal([one.id])
    expect([alice.checks, bob.checks]).to.deep.equal([1, 1])
    expect(Buffer.from(alice.pool.digest(2))).to.deep.equal(Buffer.from(bob.pool.digest(2)))
    expect(await alice.sync.now()).to.deep.equal({ peers: 1, received: 0, sent: 0 })
  })

  it('does so by itself within two intervals', async () => {
    mesh = await spawnMesh({ nodes: 3, syncIntervalMs: 300 })
    await mesh.connected()
    const [alice, , carol] = mesh.nodes as [MeshNode, MeshNode, MeshNode]
    const message = await alice.submission('censored')
    alice.pool.add(message)
    await waitFor(() => mesh.nodes.every((node) => node.pool.has(message.id)), 3_000)
    expect(carol.received.filter(({ id }) => id === message.id)).to.have.length(1)
  })

  it('brings a joining node the live cycles from several peers at once, each message judged once', async () => {
    // more than one exchange can carry
    const count = SYNC_LIMITS.wants * 2 + 100
    const crowd = Array.from({ length: count }, (_, at) => [keyOf(`${CROWD} ${at}`).address, 1n] as const)
    mesh = await spawnMesh({ nodes: 4, stakes: (weights) => fixedStakes(new Map([...weights, ...crowd])) })
    await mesh.connected()
    const [alice, bob, carol, dave] = mesh.nodes as [MeshNode, MeshNode, MeshNode, MeshNode]
    for (let at = 0; at < count; at++) {
      const message = await ofCrowd(at)
      for (const node of [alice, bob, carol]) {
        node.pool.add(message)
      }
    }
    const old = await alice.submission('last round', { cycle: 1, slot: windowOf(TIMING, 1, 'submission').from })
    bob.pool.add(old)
    const { peers } = await dave.sync.now(3)
    await dave.sync.now(3)
    expect(peers).to.equal(3)
    expect([dave.pool.count(1), dave.pool.has(old.id)]).to.deep.equal([count + 1, true])
    expect(dave.checks).to.equal(count + 1)
  }).timeout(30_000)

  it('brings a challenge that came before the submission that it is about, in whatever order the two are sent', async () => {
    mesh = await spawnMesh({ nodes: 2 })
    await mesh.connected()
    const [alice, bob] = mesh.nodes as [MeshNode, MeshNode]
    const slot = windowOf(TIMING, 1, 'submission').from
    const work = await alice.submission('work', { cycle: 1, slot })
    const about = { subject: work.envelope.signer, submission: new Uint8Array(Buffer.from(work.id, 'hex')), finding: 2 }
    const challenges: Message[] = []
    for (let at = 0; challenges.length < 4; at++) {
      const body = { cycle: 1, slot: windowOf(TIMING, 1, 'audit').from, challenge: { ...about, reason: `reason ${at}` } }
      const message = await bob.seal(body)
      // messages are sent in the order of their ids: two before the submission, two after it
      if (challenges.filter(({ id }) => id < work.id === message.id < work.id).length < 2) {
        challenges.push(message)
      }
    }
    expect(alice.gossip.receive(challenges[0]!.bytes, bob.peerId, 'gossip')).to.include({ reason: 'unknown-subject' })
    for (const message of [work, ...challenges]) {
      bob.pool.add(message)
    }
    await alice.sync.now()
    expect(challenges.filter(({ id }) => !alice.pool.has(id))).to.deep.equal([])
    expect(alice.peers.isBanned(bob.peerId)).to.equal(false)
  })

  it('serves nobody without stake', async () => {
    mesh = await spawnMesh({ nodes: 1, unstaked: 1 })
    const [alice] = mesh.nodes as [MeshNode]
    const mallory = mesh.unstaked[0] as MeshNode
    alice.pool.add(await alice.submission('secret'))
    let answer: Uint8Array | undefined
    const ended = await talk(mallory, alice, async function* (theirs) {
      yield Have.encode({ cycles: [{ cycle: 2, digest: new Uint8Array(32), count: 0 }] })
      answer = await next(theirs)
    })
    expect(ended).to.not.equal('ended')
    expect(answer).to.equal(undefined)
  })

  it('serves a peer so often in a row, and again after a while', async () => {
    mesh = await spawnMesh({ nodes: 2 })
    await mesh.connected()
    const [alice, bob] = mesh.nodes as [MeshNode, MeshNode]
    const ask = () =>
      talk(alice, bob, async function* (theirs) {
        yield Have.encode({ cycles: [] })
        await next(theirs)
      })
    for (let at = 0; at < 10; at++) {
      expect(await ask()).to.equal('ended')
    }
    // at once, as on a slow machine what is asked one by one is as slow as the allowance grows
    const ends = await Promise.all(Array.from({ length: 40 }, ask))
    expect(ends.some((end) => end !== 'ended')).to.equal(true)
    await new Promise((resolve) => setTimeout(resolve, 600))
    expect(await ask()).to.equal('ended')
  })

  const have = Have.encode({ cycles: [{ cycle: 2, digest: new Uint8Array(32).fill(1), count: 1 }] })
  const hostile: Array<[string, (theirs: AsyncGenerator<Uint8Array>) => AsyncGenerator<Uint8Array>]> = [
    [
      'a frame that is no message',
      async function* (theirs) {
        yield new Uint8Array([0xff, 0xff, 0xff])
        await next(theirs)
      }
    ],
    [
      'more cycles than there are',
      async function* (theirs) {
        yield Have.encode({ cycles: Array.from({ length: 5 }, (_, cycle) => ({ cycle, digest: new Uint8Array(32), count: 1 })) })
        await next(theirs)
      }
    ],
    [
      'a frame of half a megabyte',
      async function* (theirs) {
        yield new Uint8Array(512 * 1024)
        await next(theirs)
      }
    ],
    [
      'ids that are cut off',
      async function* (theirs) {
        yield have
        await next(theirs)
        yield Want.encode({ ids: new Uint8Array(33) })
        await next(theirs)
      }
    ],
    [
      'one want too many',
      async function* (theirs) {
        yield have
        await next(theirs)
        yield Want.encode({ ids: new Uint8Array(32 * (SYNC_LIMITS.wants + 1)) })
        await next(theirs)
      }
    ],
    [
      'envelopes without end',
      async function* (theirs) {
        yield have
        await next(theirs)
        yield Want.encode({ ids: new Uint8Array(0) })
        for (let at = 0; at < 200; at++) {
          yield Envelopes.encode({ envelopes: Array.from({ length: 16 }, () => new Uint8Array(4_000)) })
        }
        for await (const _ of theirs);
      }
    ]
  ]
  for (const [name, frames] of hostile) {
    it(`ends the conversation over ${name}, and goes on with others`, async () => {
      mesh = await spawnMesh({ nodes: 3 })
      await mesh.connected()
      const [alice, bob, carol] = mesh.nodes as [MeshNode, MeshNode, MeshNode]
      bob.pool.add(await bob.submission('here'))
      expect(await talk(carol, bob, frames)).to.not.equal('ended')
      expect((await alice.sync.now(2)).received).to.equal(1)
    })
  }

  it('takes nothing in that the judge refuses, and cuts who keeps sending it', async () => {
    mesh = await spawnMesh({ nodes: 2 })
    await mesh.connected()
    const [alice, bob] = mesh.nodes as [MeshNode, MeshNode]
    const template = await alice.submission('forged')
    const envelopes = Array.from({ length: 64 }, (_, at) =>
      Envelope.encode({ ...template.envelope, signature: new Uint8Array(64).fill(at + 1) })
    )
    await talk(alice, bob, async function* (theirs) {
      yield have
      await next(theirs)
      yield Want.encode({ ids: new Uint8Array(0) })
      for (let at = 0; at < envelopes.length; at += 16) {
        yield Envelopes.encode({ envelopes: envelopes.slice(at, at + 16) })
      }
      for await (const _ of theirs);
    })
    await waitFor(() => bob.peers.isBanned(alice.peerId))
    expect(bob.checks).to.equal(32)
    expect(bob.pool.size).to.equal(0)
  })

  it('stands a server that lies about what it has', async () => {
    mesh = await spawnMesh({ nodes: 2 })
    await mesh.connected()
    const [alice, bob] = mesh.nodes as [MeshNode, MeshNode]
    const real = await alice.submission('real')
    await bob.libp2p.unhandle(syncProtocol(NETWORK))
    await bob.libp2p.handle(syncProtocol(NETWORK), (stream) =>
      converse(
        stream,
        async function* (frames) {
          await next(frames)
          // ids that nobody has, of the live cycle and of one that is long gone
          const made = new Uint8Array(Buffer.concat([seed('a'), seed('b')]))
          yield Ids.encode({
            cycles: [
              { cycle: 2, ids: made },
              { cycle: 99, ids: made }
            ] satisfies CycleIds[]
          })
          await next(frames)
          yield Envelopes.encode({ envelopes: [new Uint8Array(real.bytes), new Uint8Array([1, 2, 3])] })
          yield Envelopes.encode({ envelopes: [] })
        },
        { frameBytes: 1e6, totalBytes: 1e6 },
        AbortSignal.timeout(HANGS_MS)
      ).catch(() => {})
    )
    const { received } = await alice.sync.now()
    expect(received).to.equal(1)
    expect(alice.gossip.counters().refused.malformed).to.be.greaterThan(0)
  })
})

describe('sync with peers that take their time', () => {
  it('goes on with others, some at a time', async () => {
    const due: Array<() => void> = []
    const asked: string[] = []
    const open = (peerId: string) => ({
      remotePeer: { toString: () => peerId },
      status: 'open',
      newStream: (_: string, { signal }: { signal: AbortSignal }) => {
        asked.push(peerId)
        return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
      }
    })
    const names = Array.from({ length: 9 }, (_, at) => `peer ${at}`)
    const sync = createSync({
      libp2p: { handle: async () => {}, unhandle: async () => {}, getPeers: () => names, getConnections: () => names.map(open) } as never,
      network: NETWORK,
      pool: createPool(),
      peers: { staked: () => names.map((peerId) => ({ peerId, staker: peerId })) } as never,
      timing: TIMING,
      slot: () => TIMING.startingSlot + 100,
      receive: () => ({ result: 'ignore', reason: 'seen' }),
      timer: (run) => {
        due.push(run)
        return () => {}
      }
    })
    await sync.start()
    for (let at = 0; at < 8; at++) {
      due.pop()?.()
      await new Promise((done) => setImmediate(done))
    }
    expect(asked).to.have.length(4)
    await sync.stop()
  })
})
