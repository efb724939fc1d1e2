import { createHash } from 'node:crypto'
import type { PeerId } from '@libp2p/interface'
import { expect } from 'chai'
import { CID } from 'multiformats/cid'
import { create as createDigest } from 'multiformats/hashes/digest'
import type { FrameWriter } from '../../src/proofs/bitswap/frames.ts'
import { BlockServer } from '../../src/proofs/bitswap/serve.ts'
import { UNSTAKED_IN_FLIGHT, Uplink } from '../../src/proofs/bitswap/uplink.ts'
import { LIMITS } from '../../src/proofs/limits.ts'
import { bytesOf } from './fixtures.ts'

const BLOCK_BYTES = 256 * 1024
const RATE = 1024 * 1024
/** Frames that peers with stake need for what they want here: one block each, as two do not fit. */
const WANTS = 40

/** Time that goes on when it is told to, and what happens in each step of it. */
function virtualTime() {
  let nowMs = 0
  let names = 0
  const pending = new Map<unknown, { atMs: number; run: () => void }>()
  return {
    timers: {
      now: () => nowMs,
      setTimeout(run: () => void, ms: number) {
        pending.set(++names, { atMs: nowMs + ms, run })
        return names
      },
      clearTimeout: (name: unknown) => void pending.delete(name)
    },
    async pass(ms: number) {
      for (const until = nowMs + ms; nowMs < until; nowMs += 10) {
        for (const [name, { atMs, run }] of pending) {
          if (atMs <= nowMs) {
            pending.delete(name)
            run()
          }
        }
        await new Promise((resolve) => setImmediate(resolve))
      }
    }
  }
}

describe('proofs: who is served', () => {
  const cids = Array.from({ length: WANTS }, (_, i) => CID.createV1(0x55, createDigest(0x12, createHash('sha256').update(`${i}`).digest())))
  const block = bytesOf(BLOCK_BYTES, 1)

  /** A server, and peers of it, each of which takes a frame in `frameMs`; `stuck` ones take none. */
  function lab({ staked, frameMs = 10, stuck = new Set<string>() }: { staked: string[]; frameMs?: number; stuck?: Set<string> }) {
    const time = virtualTime()
    const bytes = new Map<string, number>()
    const order: string[] = []
    let reads = 0
    let under = 0
    let mostUnder = 0
    const uplink = new Uplink({ isStaked: (peer) => staked.includes(peer), unstakedBytesPerS: RATE, timers: time.timers })
    const server = new BlockServer({
      blocks: {
        async read() {
          reads++
          return block
        },
        has: async () => true
      },
      uplink,
      log: () => {}
    })
    const want = (peer: string, of = cids, cancel = false, full = false) => {
      const writer = {
        write: (frame: { byteLength: number }) =>
          new Promise<void>((resolve) => {
            under += staked.includes(peer) ? 0 : 1
            mostUnder = Math.max(mostUnder, under)
            if (!stuck.has(peer)) {
              time.timers.setTimeout(() => {
                under -= staked.includes(peer) ? 0 : 1
                bytes.set(peer, (bytes.get(peer) ?? 0) + frame.byteLength)
                order.push(peer)
                resolve()
              }, frameMs)
            }
          })
      }
      server.onWants(
        { toString: () => peer } as PeerId,
        of.map((cid) => ({ cid: cid.bytes, cancel, sendDontHave: true })),
        writer as unknown as FrameWriter,
        full
      )
    }
    const of = (peers: string[]) => peers.map((peer) => bytes.get(peer) ?? 0)
    return { ...time, server, want, of, order, reads: () => reads, mostUnder: () => mostUnder }
  }
  const wantAll = (l: ReturnType<typeof lab>, peers: Iterable<string>) => {
    for (const peer of peers) {
      l.want(peer)
    }
  }
  const sum = (numbers: number[]) => numbers.reduce((all, one) => all + one, 0)

  it('a full list takes the place of what waits, and one without wants ends it', async () => {
    const l = lab({ staked: ['alice', 'bob'], frameMs: 50 })
    wantAll(l, ['alice', 'bob'])
    await l.pass(60)
    l.want('alice', cids.slice(-2), false, true)
    l.want('bob', [], false, true)
    await l.pass(WANTS * 50)
    const [alice, bob] = l.of(['alice', 'bob']) as [number, number]
    // what was read ahead by then goes out; of all of it there would be 10 MiB
    const ahead = LIMITS.serveReadAhead * 2 * BLOCK_BYTES
    expect(alice).to.be.within(2 * BLOCK_BYTES, 2 * BLOCK_BYTES + ahead)
    expect(bob).to.be.at.most(ahead)
    l.want('bob', cids.slice(0, 1))
    await l.pass(200)
    expect(l.of(['bob'])[0]).to.be.above(bob)
  })

  it('strangers together get their budget of bytes and of frames, however many they are, and share it', async () => {
    const strangers = Array.from({ length: 20 }, (_, i) => `stranger${i}`)
    const l = lab({ staked: [] })
    wantAll(l, strangers)
    await l.pass(20_000)
    const got = l.of(strangers)
    expect(sum(got)).to.be.within(18 * RATE, 21 * RATE + LIMITS.frameBytes)
    expect(l.mostUnder()).to.be.at.most(UNSTAKED_IN_FLIGHT)
    expect(Math.max(...got) - Math.min(...got)).to.be.at.most(2 * LIMITS.frameBytes)
  })

  it('stake goes before: its peers get all that they want while strangers want more than there is, and equal shares', async () => {
    const staked = ['alice', 'bob', 'carol']
    const l = lab({ staked, frameMs: 50 })
    const strangers = Array.from({ length: 30 }, (_, i) => `stranger${i}`)
    wantAll(l, strangers)
    await l.pass(3000)
    wantAll(l, staked)
    const before = l.order.length
    await l.pass(WANTS * 50 + 500)
    for (const got of l.of(staked)) {
      expect(got).to.be.at.least(WANTS * BLOCK_BYTES)
    }
    const served = l.order.slice(before).filter((peer) => staked.includes(peer))
    // one frame each in turn, whoever asked first
    for (let i = 0; i + 3 <= served.length; i += 3) {
      expect(new Set(served.slice(i, i + 3)).size).to.equal(3)
    }
    // meanwhile a stranger's frame waits for a while, and not for ever
    await l.pass(10_000)
    expect(sum(l.of(strangers))).to.be.above(5 * RATE)
  })

  it('strangers that take nothing do not keep others from their share', async () => {
    const stuck = new Set(Array.from({ length: 8 }, (_, i) => `stuck${i}`))
    const l = lab({ staked: [], stuck })
    wantAll(l, stuck)
    await l.pass(100)
    l.want('newcomer')
    await l.pass(30_000)
    expect(l.of(['newcomer'])[0]).to.be.at.least(WANTS * BLOCK_BYTES)
  })

  it('what is cancelled while it waits is neither read nor sent, and who left waits for nothing', async () => {
    const l = lab({ staked: [] })
    for (let i = 0; i < 20; i++) {
      l.want(`stranger${i}`)
    }
    await l.pass(1000)
    l.want('late')
    l.want('gone')
    await l.pass(50)
    const reads = l.reads()
    for (let i = 0; i < 20; i++) {
      l.want(`stranger${i}`, cids, true)
    }
    l.want('late', cids, true)
    l.server.forget('gone')
    await l.pass(10_000)
    expect(l.reads() - reads).to.be.at.most(4 * LIMITS.serveReadAhead)
    expect(l.of(['late', 'gone'])).to.deep.equal([0, 0])
  })
})
