import { randomBytes } from 'node:crypto'
import { RPC } from '@libp2p/gossipsub/message'
import { expect } from 'chai'
import { Uint8ArrayList } from 'uint8arraylist'
import { guardGossip } from '../../src/network/gossip-guard.ts'
import { type Charge, createMessageIds } from '../../src/network/index.ts'
import { GOSSIP_DECODE_LIMITS, GOSSIP_FRAME_BYTES } from '../../src/network/limits.ts'
import { createTaskTopics } from '../../src/network/task-topics.ts'
import { node, stakesOf } from './attackers.ts'
import { control, field, graft, message, subscribe, TOPIC, text } from './rubbish.ts'
import { waitFor } from './setting.ts'

interface Sent {
  messages: Array<{ topic: string; data: Uint8Array }>
  control?: object
}

describe('network: gossip, guarded', () => {
  it('finds in the library what it replaces', async () => {
    const alice = await node('alice', stakesOf('alice'))
    const { pubsub } = alice.libp2p.services
    const prototype = Object.getPrototypeOf(pubsub) as Record<string, unknown>
    const { score } = pubsub as unknown as { score: { scoreCache: unknown; peerStats: unknown; params: { topics: unknown } } }
    const inside = pubsub as unknown as Record<'peers' | 'topics' | 'mesh' | 'allowedTopics', unknown> & {
      mcache: { msgs: unknown }
      opts: { scoreParams: { topics: unknown } }
    }
    const [allowed, scored] = [[...(inside.allowedTopics as Set<string>)], inside.opts.scoreParams.topics]
    await alice.stop()
    // what a task brings, and what it is known by
    expect([allowed, Object.keys(scored as object), scored === score.params.topics]).to.deep.equal([[TOPIC], [TOPIC], true])
    expect([inside.peers, inside.topics, inside.mesh, inside.mcache.msgs].every((one) => one instanceof Map)).to.equal(true)
    expect(prototype.pushGossip).to.be.a('function').with.lengthOf(2)
    expect(prototype.removePeer).to.be.a('function').with.lengthOf(1)
    expect(prototype.handleIHave).to.be.a('function').with.lengthOf(2)
    expect([score.peerStats, score.scoreCache].every((one) => one instanceof Map)).to.equal(true)
    expect((Object.getPrototypeOf(score) as Record<string, unknown>).addPeer)
      .to.be.a('function')
      .with.lengthOf(1)
    expect((Object.getPrototypeOf(score) as Record<string, unknown>).markInvalidMessageDelivery)
      .to.be.a('function')
      .with.lengthOf(2)
    expect(prototype.pipePeerReadStream).to.be.a('function').with.lengthOf(2)
    expect(prototype.sendRpc).to.be.a('function').with.lengthOf(2)
    expect(prototype.handleReceivedRpc).to.be.a('function').with.lengthOf(2)
    expect(prototype.handleReceivedSubscription).to.be.a('function').with.lengthOf(3)
    expect(prototype.handleReceivedMessage).to.be.a('function').with.lengthOf(2)
  })

  it('hears what a peer is subscribed to while its score is bad, and no more; it is written to once the score is good', async () => {
    const weights = stakesOf('alice', 'bob')
    const [alice, bob] = [await node('alice', weights), await node('bob', weights)]
    try {
      const { pubsub } = alice.libp2p.services
      const { score } = pubsub as unknown as { score: { score(id: string): number } }
      const real = score.score.bind(score)
      let isBad = true
      score.score = (id) => (isBad ? -100 : real(id))
      const inside = pubsub as unknown as { handleReceivedRpc(from: unknown, rpc: { messages?: unknown[] }): Promise<void> }
      const take = inside.handleReceivedRpc.bind(pubsub)
      let messages = 0
      inside.handleReceivedRpc = async (from, rpc) => {
        await take(from, rpc)
        messages += rpc.messages?.length ?? 0
      }
      await alice.libp2p.dial(bob.libp2p.getMultiaddrs())
      await waitFor(() => alice.gossip.topicPeers().length === 1 && bob.gossip.topicPeers().length === 1)
      await bob.gossip.publish(await bob.submission('of one who is not heard'))
      await waitFor(() => messages > 0)
      expect([alice.received, alice.gossip.meshPeers()]).to.deep.equal([[], []])
      isBad = false
      // the mesh is mended by the heartbeat
      await waitFor(() => alice.gossip.meshPeers().includes(bob.peerId))
      await alice.gossip.publish(await alice.submission('to one who is written to again'))
      await waitFor(() => bob.received.length > 0)
    } finally {
      await Promise.all([alice.stop(), bob.stop()])
    }
  })

  function guarded(refuse?: Charge, others: string[] = []) {
    const sent: Sent[] = []
    const read: Uint8Array[] = []
    const charged: Array<[Charge, number]> = []
    const inside = {
      sendRpc: (_peer: string, rpc: Sent) => sent.push(rpc) > 0,
      async pipePeerReadStream(_peer: unknown, frames: AsyncIterable<Uint8ArrayList>) {
        for await (const frame of frames) {
          read.push(frame.subarray())
        }
      }
    }
    const charge = (_peer: string, what: Charge, count = 1) => {
      charged.push([what, count])
      return what === refuse
    }
    const ids = createMessageIds()
    const topics = createTaskTopics({ ids, isLetIn: () => true })
    const traffic = [TOPIC, ...others].map(
      (topic) => topics.join(topic, { isStaked: () => true, staked: () => [], onChange: () => () => {} }).traffic
    )
    guardGossip(inside as never, { meter: { charge, cuts: () => ({}) }, topics, ids })
    const pass = (...frames: Uint8Array[]) =>
      inside.pipePeerReadStream(
        { toString: () => 'bob' },
        (async function* () {
          yield* frames.map((one) => new Uint8ArrayList(one))
        })()
      )
    return { sent, read, charged, inside, pass, traffic }
  }

  it('charges for what a frame holds, and passes it on', async () => {
    const { read, charged, pass } = guarded()
    const data = randomBytes(300)
    await pass(Buffer.concat([subscribe(), message(data)]), message(data))
    expect(read).to.have.length(2)
    expect(charged).to.deep.include(['subscriptions', 1]).and.to.deep.include(['messages', 1])
    expect(charged.filter(([what]) => what === 'copies')).to.deep.equal([['copies', 1]])
  })

  it('charges once for what is said of several tasks at a time, and tells each of messages that the router refuses', async () => {
    const [one, other] = ['another', 'a third']
    const { charged, pass, traffic } = guarded(undefined, [one!, other!])
    const signed: string[] = []
    for (const [at, kept] of traffic.entries()) {
      kept.onSigned = (from, count) => signed.push(`${at}: ${count} of ${from}`)
    }
    await pass(Buffer.concat([subscribe(), subscribe(one), subscribe(other), subscribe(), control(graft(one), graft(other))]))
    expect(charged.filter(([what]) => !['frames', 'bytes'].includes(what))).to.deep.equal([
      ['subscriptions', 2],
      ['grafts and prunes', 1]
    ])
    const authored = (topic: string) => field(2, field(1, randomBytes(4)), field(2, randomBytes(300)), field(4, text(topic)))
    await pass(Buffer.concat([authored(other!), authored(TOPIC), message(randomBytes(300), one), authored(other!)]))
    expect(signed).to.deep.equal(['2: 2 of bob', '0: 1 of bob'])
    expect(charged.at(-1)).to.deep.equal(['messages', 4])
  })

  it('passes nothing on of a peer that has sent too much, nor what is not protobuf', async () => {
    const { read, pass } = guarded('messages')
    await pass(message(randomBytes(300)), subscribe(), Buffer.from([0xff]))
    expect(read).to.deep.equal([new Uint8Array(subscribe())])
  })

  it('sends an answer to an IWANT in frames that others take, whole and in order', () => {
    const { sent, inside } = guarded()
    const messages = Array.from({ length: 700 }, (_, at) => ({ topic: TOPIC, data: randomBytes(at % 7 === 0 ? 4_096 : 300) }))
    const control = { ihave: [], iwant: [], graft: [{ topicID: TOPIC }], prune: [], idontwant: [] }
    expect(inside.sendRpc('bob', { messages, control } as never)).to.equal(true)
    expect(sent.flatMap((rpc) => rpc.messages)).to.deep.equal(messages)
    expect(sent.map((rpc) => rpc.control != null)).to.deep.equal([true, ...Array(sent.length - 1).fill(false)])
    for (const rpc of sent) {
      expect(RPC.encode(rpc as never).length).to.be.below(GOSSIP_FRAME_BYTES)
      expect(rpc.messages.length).to.be.at.most(GOSSIP_DECODE_LIMITS.maxMessages)
    }
    const lone = { messages: [], control }
    inside.sendRpc('bob', lone as never)
    expect(sent.at(-1)).to.equal(lone)
  })
})
