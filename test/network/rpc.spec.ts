import { randomBytes } from 'node:crypto'
import { RPC } from '@libp2p/gossipsub/message'
import { expect } from 'chai'
import { countRpc } from '../../src/network/rpc.ts'
import { control, field, graft, idontwant, ihave, iwant, message, prune, subscribe, TOPIC, text, times } from './rubbish.ts'

const count = (rpc: Uint8Array) => countRpc(rpc, [text(TOPIC)])
const NOTHING = {
  subscriptions: 0,
  foreign: 0,
  messages: 0,
  signed: 0,
  empty: 0,
  entries: 0,
  ids: 0,
  grafts: 0,
  infos: 0,
  unknown: 0,
  waste: 0
}

function counted(rpc: Uint8Array): object {
  const { fingerprints, signedIn, ...rest } = count(rpc)!
  return Object.fromEntries(Object.entries(rest).filter(([key, value]) => value !== NOTHING[key as keyof typeof NOTHING]))
}

describe('network: RPCs, counted', () => {
  const rows: Array<[string, Uint8Array, object]> = [
    ['nothing', Buffer.alloc(0), {}],
    ['subscriptions of our topic', times(3, () => subscribe()), { subscriptions: 3 }],
    ['subscriptions of other topics, and of none', Buffer.concat([subscribe('other'), field(1)]), { foreign: 2 }],
    ['messages', times(2, () => message(randomBytes(300))), { messages: 2 }],
    ...[1, 3, 5, 6].map((number): [string, Uint8Array, object] => [
      `a message with field ${number} of an author, though empty`,
      field(2, field(2, randomBytes(300)), field(number), field(4, text(TOPIC))),
      { messages: 1, signed: 1 }
    ]),
    ['messages of other topics', message(randomBytes(300), 'other'), { foreign: 1, waste: 217 }],
    ['messages without data, and without anything', Buffer.concat([message(Buffer.alloc(0)), field(2)]), { empty: 2 }],
    ['message ids', control(ihave(7), iwant(5), idontwant(3)), { entries: 3, ids: 15 }],
    ['ids of another topic', control(ihave(7, 'other')), { entries: 1, ids: 7, foreign: 1 }],
    ['grafts and prunes', control(graft(), prune(), prune(4)), { grafts: 3, infos: 4 }],
    ['fields that are none', Buffer.concat([field(9, Buffer.alloc(1)), control(field(6)), field(2, field(7))]), { unknown: 3, empty: 1 }],
    ['bytes that are for nothing', field(9, Buffer.alloc(4_000)), { unknown: 1, waste: 3_995 }],
    [
      'bytes beside a message',
      field(2, field(1, randomBytes(2_000)), field(2, randomBytes(300)), field(4, text(TOPIC))),
      { messages: 1, signed: 1, waste: 1_940 }
    ]
  ]
  for (const [name, rpc, expected] of rows) {
    it(name, () => {
      expect(counted(rpc)).to.deep.equal(expected)
    })
  }

  it('as the library writes them, with nothing unknown or wasted', () => {
    const rpc = RPC.encode({
      subscriptions: [{ subscribe: true, topic: TOPIC }],
      messages: [{ topic: TOPIC, data: randomBytes(1_000) }],
      control: {
        ihave: [{ topicID: TOPIC, messageIDs: [randomBytes(16)] }],
        iwant: [{ messageIDs: [randomBytes(16), randomBytes(16)] }],
        graft: [{ topicID: TOPIC }],
        prune: [{ topicID: TOPIC, peers: [{ peerID: randomBytes(38) }], backoff: 60 }],
        idontwant: [{ messageIDs: [randomBytes(16)] }]
      }
    })
    expect(counted(rpc)).to.deep.equal({ subscriptions: 1, messages: 1, entries: 3, ids: 4, grafts: 2, infos: 1 })
  })

  it('knows several topics, however like each other, and of which a signed message is', () => {
    const topics = ['/koii-mesh/1/aX', '/koii-mesh/1/bX', '/koii-mesh/1/aY', 'short']
    const signed = (topic: string) => field(2, field(3, randomBytes(8)), field(2, randomBytes(300)), field(4, text(topic)))
    const rpc = Buffer.concat([
      ...topics.map((topic) => subscribe(topic)),
      ...['/koii-mesh/1/bY', '/koii-mesh/1/a', 'other'].map((topic) => subscribe(topic)),
      ...[2, 2, 0, 1].map((at) => signed(topics[at]!)),
      message(randomBytes(300), topics[3])
    ])
    const { subscriptions, foreign, messages, signedIn } = countRpc(rpc, topics.map(text))!
    expect({ subscriptions, foreign, messages, signedIn }).to.deep.equal({
      subscriptions: 4,
      foreign: 3,
      messages: 5,
      signedIn: [2, 2, 0, 1]
    })
    expect(countRpc(rpc, [])).to.include({ subscriptions: 0, messages: 0, foreign: 12 })
  })

  it('tells the same message from another by its end', () => {
    const [one, other] = [randomBytes(300), randomBytes(300)]
    const prints = (rpc: Uint8Array) => count(rpc)!.fingerprints
    expect(prints(message(one))).to.deep.equal(prints(message(one)))
    expect(prints(message(one))).not.to.deep.equal(prints(message(other)))
    expect(prints(message(Buffer.from([1])))).to.have.length(1)
  })

  it('knows what is not protobuf', () => {
    const broken = [
      Buffer.from([0x0a]),
      Buffer.from([0x0a, 5, 1]),
      Buffer.from([0x0b]),
      Buffer.from([0x00, 1]),
      Buffer.alloc(12, 0xff),
      field(1, Buffer.from([0x12, 9])),
      field(3, field(1, Buffer.from([0x12, 200, 1])))
    ]
    expect(broken.filter((rpc) => count(rpc) != null)).to.deep.equal([])
    for (let turn = 0; turn < 500; turn++) {
      count(randomBytes(turn))
    }
  })
})
