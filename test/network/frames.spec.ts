import { streamPair } from '@libp2p/utils'
import { expect } from 'chai'
import { converse, next, StreamLimitError } from '../../src/network/index.ts'
import { HANGS_MS } from '../cpu.ts'
import { sleep } from './mesh.ts'

const limits = { frameBytes: 100, totalBytes: 1_000 }
const frames = (...sizes: number[]) =>
  async function* () {
    for (const size of sizes) {
      yield new Uint8Array(size).fill(size)
    }
  }
const outcome = (promise: Promise<unknown>) =>
  promise.then(
    () => 'done',
    (err: unknown) => (err as Error).name
  )

describe('network: frames', () => {
  it('carries frames of every allowed size both ways, empty ones too', async () => {
    const [here, there] = await streamPair()
    const got: number[] = []
    const signal = AbortSignal.timeout(HANGS_MS)
    const read = async function* (theirs: AsyncGenerator<Uint8Array>) {
      yield new Uint8Array(1)
      for (let at = 0; at < 4; at++) {
        got.push((await next(theirs)).length)
      }
    }
    await Promise.all([converse(here, frames(0, 1, 99, 100), limits, signal), converse(there, read, limits, signal)])
    expect(got).to.deep.equal([0, 1, 99, 100])
  })

  it('ends over a frame that is one byte too long', async () => {
    const [here, there] = await streamPair()
    const read = async function* (theirs: AsyncGenerator<Uint8Array>) {
      yield new Uint8Array(1)
      await next(theirs)
    }
    const signal = AbortSignal.timeout(HANGS_MS)
    const ends = await Promise.all([
      outcome(converse(here, frames(101), { ...limits, frameBytes: 200 }, signal)),
      outcome(converse(there, read, limits, signal))
    ])
    expect(ends[1]).to.equal('InvalidDataLengthError')
    expect(there.status).to.not.equal('open')
  })

  it('holds no more of a talkative peer than it allows, while it is busy itself', async () => {
    const [here, there] = await streamPair()
    let busy = true
    const signal = AbortSignal.timeout(HANGS_MS)
    const slow = async function* () {
      yield new Uint8Array(1)
      while (busy && there.status === 'open') {
        await sleep(5)
      }
    }
    const ended = outcome(converse(there, slow, limits, signal))
    here.addEventListener('message', () => {})
    for (let at = 0; at < 15 && here.status === 'open'; at++) {
      here.send(new Uint8Array([99, ...new Uint8Array(99)]))
      await sleep(2)
    }
    await sleep(50)
    busy = false
    await ended
    expect(there.status).to.equal('aborted')
  })

  it('ends when told to, or in time, whatever the other end does', async () => {
    const [, there] = await streamPair()
    const wait = async function* (theirs: AsyncGenerator<Uint8Array>) {
      yield new Uint8Array(1)
      await next(theirs)
    }
    expect(await outcome(converse(there, wait, limits, AbortSignal.timeout(100)))).to.not.equal('done')
    expect(there.status).to.equal('aborted')
  })

  it('says so when the other end leaves before the end', async () => {
    const [here, there] = await streamPair()
    const read = async function* (theirs: AsyncGenerator<Uint8Array>) {
      yield new Uint8Array(1)
      await next(theirs)
      await next(theirs)
    }
    const signal = AbortSignal.timeout(HANGS_MS)
    const ends = await Promise.all([outcome(converse(here, frames(5), limits, signal)), outcome(converse(there, read, limits, signal))])
    expect(ends).to.deep.equal(['done', new StreamLimitError('').name])
  })
})
