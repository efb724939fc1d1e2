import type { Connection, Stream } from '@libp2p/interface'
import type { ConnectionManager, Registrar } from '@libp2p/interface-internal'
import { expect } from 'chai'
import { encode } from 'it-length-prefixed'
import { createDhtGuard, createFrameMeter } from '../../src/network/dht-guard.ts'
import { DHT_LIMITS } from '../../src/network/limits.ts'

const LIMITS = {
  stranger: { burst: 10, perSecond: 2 },
  strangers: { burst: 25, perSecond: 2 },
  staked: { burst: 20, perSecond: 2 }
}

/** The guard's handler, with streams that take bytes by hand. */
function setUp(staked: string[] = []) {
  const clock = { ms: 0 }
  const guard = createDhtGuard({ isStaked: (peer) => staked.includes(peer), now: () => clock.ms, limits: LIMITS })
  let handler: ((stream: Stream, connection: Connection) => void) | undefined
  const registrar = guard.registrar({
    handle: async (_protocol: string, given: typeof handler) => {
      handler = given
    }
  } as unknown as Registrar)
  let taken = 0
  void registrar.handle('kad', (stream) => {
    stream.addEventListener('message', () => taken++)
  })

  const streamOf = (peer: string) => {
    const aborted: string[] = []
    const target = new EventTarget()
    const stream = Object.assign(target, { abort: (err: Error) => aborted.push(`stream: ${err.message}`) })
    const connection = { remotePeer: { toString: () => peer }, abort: () => aborted.push('connection') }
    handler?.(stream as unknown as Stream, connection as unknown as Connection)
    return {
      aborted,
      send(data: Uint8Array) {
        target.dispatchEvent(Object.assign(new Event('message'), { data }))
      }
    }
  }
  return { clock, guard, streamOf, taken: () => taken }
}

const small = encode.single(new Uint8Array(40)).subarray()

describe('network: DHT guard', () => {
  it('cuts a stranger that asks more than its rate, on however many streams and connections', () => {
    const { clock, streamOf, taken } = setUp()
    for (let at = 0; at < 10; at++) {
      streamOf('mallory').send(small)
    }
    expect(taken()).to.equal(10)
    const last = streamOf('mallory')
    last.send(small)
    expect(last.aborted[0]).to.match(/^stream: too many messages/)
    expect(last.aborted[1]).to.equal('connection')
    expect(taken()).to.equal(10)
    clock.ms = 1_000
    const later = streamOf('mallory')
    later.send(small)
    later.send(small)
    expect(later.aborted).to.deep.equal([])
    later.send(small)
    expect(later.aborted).to.have.length(2)
  })

  it('bounds all strangers together, and cuts none of them for what the others did', () => {
    const { streamOf, taken } = setUp(['alice'])
    const streams = Array.from({ length: 5 }, (_, at) => streamOf(`stranger${at}`))
    for (const stream of streams) {
      for (let at = 0; at < 6; at++) {
        stream.send(small)
      }
    }
    expect(taken()).to.equal(25)
    expect(streams[4]!.aborted.some((one) => one === 'connection')).to.equal(false)
    expect(streams[4]!.aborted.length).to.be.above(0)
    streamOf('alice').send(small)
    expect(taken()).to.equal(26)
  })

  it('resets the stream of a staked peer that asks too much, and leaves it connected', () => {
    const { streamOf, taken } = setUp(['alice'])
    const stream = streamOf('alice')
    for (let at = 0; at < 21; at++) {
      stream.send(small)
    }
    expect(taken()).to.equal(20)
    expect(stream.aborted).to.have.length(1)
    expect(stream.aborted[0]).to.match(/^stream: /)
  })

  it('takes more for longer messages, and refuses one that is too long before it has come', () => {
    const { streamOf, taken } = setUp()
    const stream = streamOf('mallory')
    const long = encode.single(new Uint8Array(9 * DHT_LIMITS.tokenBytes)).subarray()
    stream.send(long.subarray(0, 100))
    stream.send(long.subarray(100))
    expect([taken(), stream.aborted.length]).to.deep.equal([2, 0])
    stream.send(small)
    expect(stream.aborted).to.have.length(2)

    const other = streamOf('other')
    other.send(encode.single(new Uint8Array(DHT_LIMITS.requestBytes + 1)).subarray(0, 2))
    expect(other.aborted[0]).to.match(/4097 bytes/)
    expect(taken()).to.equal(2)
  })

  it('reads no more of an answer than an answer holds', async () => {
    const { guard } = setUp()
    const aborted: string[] = []
    const stream = Object.assign(new EventTarget(), { abort: (err: Error) => aborted.push(err.message) })
    const manager = guard.connectionManager({ openStream: async () => stream } as unknown as ConnectionManager)
    const opened = await manager.openStream(undefined as never, 'kad')
    let taken = 0
    opened.addEventListener('message', () => taken++)
    for (let at = 0; at < 5; at++) {
      stream.dispatchEvent(Object.assign(new Event('message'), { data: new Uint8Array(8 * 1024) }))
    }
    expect([taken, aborted.length]).to.deep.equal([4, 1])
  })

  it('remembers a bounded number of peers', () => {
    const { guard, streamOf } = setUp()
    for (let at = 0; at < DHT_LIMITS.peers + 100; at++) {
      streamOf(`stranger${at}`).send(small)
    }
    expect(guard.size).to.equal(DHT_LIMITS.peers)
  })

  it('finds the same frames however the bytes are cut', () => {
    const lengths = [0, 1, 40, 127, 128, 300, 4_000]
    const bytes = Buffer.concat(lengths.map((length) => encode.single(new Uint8Array(length)).subarray()))
    for (const step of [1, 2, 7, 64, bytes.length]) {
      const seen: number[] = []
      const meter = createFrameMeter((length) => seen.push(length))
      for (let at = 0; at < bytes.length; at += step) {
        meter([bytes.subarray(at, at + step)])
      }
      expect(seen).to.deep.equal(lengths)
    }
    expect(() => createFrameMeter(() => {})([new Uint8Array(10).fill(0x80)])).to.throw('length')
  })
})
