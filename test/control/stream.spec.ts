import { once } from 'node:events'
import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { expect } from 'chai'
import { LIMITS } from '../../src/control/limits.ts'
import { createStreams, type EventStreams, type OpenInit } from '../../src/control/stream.ts'
import { createEvents, type Events } from '../../src/observe/index.ts'
import { controlOfSuite } from './suite.ts'

/** The frames of a stream as they came. */
const framesIn = (text: string) => text.split('\n\n').filter((frame) => frame !== '' && !frame.startsWith('retry:'))
const numbersIn = (text: string) => [...text.matchAll(/^data: .*"cycle":(\d+)/gm)].map(([, cycle]) => Number(cycle))

describe('control: the stream of events', () => {
  let events: Events
  let streams: EventStreams
  let beat: () => void
  const RUN = '0123456789ab'
  const open = (init: Partial<OpenInit> = {}) => streams.open({ from: 'now', follow: true, ...init })!
  const tell = (cycle: number) => events.emit('vote-handed-over', { cycle })
  /** Until it ends. */
  const all = async (init: Partial<OpenInit> = {}) => {
    let text = ''
    for await (const part of open({ follow: false, ...init })) {
      text += part
    }
    return text
  }

  beforeEach(() => {
    events = createEvents({ slot: () => 1, node: 'n', now: () => 0 })
    streams = createStreams({
      ...{ events, maxEvents: 4, maxReaders: 3, run: RUN },
      every: (run) => {
        beat = run
        return () => {}
      }
    })
  })
  afterEach(() => streams.stop())

  it('gives what is kept, and ends, or goes on with what comes', async () => {
    for (const cycle of [1, 2]) {
      tell(cycle)
    }
    const text = await all({ from: 'oldest' })
    expect(framesIn(text)).to.deep.equal(
      [1, 2].map(
        (cycle) =>
          `id: ${RUN}-${cycle}\ndata: {"event":"vote-handed-over","time":"1970-01-01T00:00:00.000Z","slot":1,"cycle":${cycle},"node":"n","task":null}`
      )
    )
    expect(framesIn(await all())).to.deep.equal([])
    const reader = open()
    let got = ''
    reader.on('data', (part) => {
      got += part
    })
    tell(3)
    streams.stop()
    await once(reader, 'end')
    expect(numbersIn(got)).to.deep.equal([3])
    expect(streams.readers()).to.equal(0)
  })

  it('goes on after the last event that a reader had, and says what was lost', async () => {
    for (let cycle = 1; cycle <= 6; cycle++) {
      tell(cycle)
    }
    const goOn = (lastEventId: string) => all({ lastEventId })
    expect(numbersIn(await goOn(`${RUN}-4`))).to.deep.equal([5, 6])
    expect(numbersIn(await goOn(`${RUN}-6`))).to.deep.equal([])
    expect(await goOn(`${RUN}-2`)).not.to.include('gap')
    const late = await goOn(`${RUN}-1`)
    expect(framesIn(late)[0]).to.equal('event: gap\ndata: {"lost":1}')
    expect(numbersIn(late)).to.deep.equal([3, 4, 5, 6])
    // of a process before this one, and of no event at all
    for (const other of ['ffffffffffff-1', `${RUN}-7`]) {
      const text = await goOn(other)
      expect(framesIn(text)[0]).to.equal('event: gap\ndata: {"lost":null}')
      expect(numbersIn(text)).to.deep.equal([3, 4, 5, 6])
    }
  })

  it('keeps no more than it is to, by events and by bytes', async () => {
    const small = createStreams({ events, maxBytes: 500, run: RUN })
    for (let cycle = 1; cycle <= 100; cycle++) {
      tell(cycle)
    }
    expect(numbersIn(await all({ from: 'oldest' }))).to.deep.equal([97, 98, 99, 100])
    let text = ''
    for await (const part of small.open({ from: 'oldest', follow: false })!) {
      text += part
    }
    expect(numbersIn(text).at(-1)).to.equal(100)
    expect(text.length).to.be.lessThan(600)
    small.stop()
  })

  it('cuts who does not read: when what it has not had is gone, and when it takes nothing from one beat to the next', () => {
    const stalled = open()
    for (let cycle = 1; cycle <= 4; cycle++) {
      tell(cycle)
    }
    // its buffer took them all, far below its bound; it is still there
    expect(stalled.destroyed).to.equal(false)
    beat()
    expect(stalled.readableLength).to.be.lessThan(2_000)
    const full = createStreams({ events, maxEvents: 4, run: RUN, every: () => () => {} })
    const reader = full.open({ from: 'now', follow: true })!
    const value = 'x'.repeat(10_000)
    let told = 0
    while (!reader.destroyed && told < 100) {
      events.emit('submitted', { cycle: told++, value, proofs: [] })
    }
    expect(reader.destroyed).to.equal(true)
    // two that its buffer took, and four in the ring, and none beyond
    expect(told).to.be.lessThan(10)
    expect(full.readers()).to.equal(0)
    full.stop()
  })

  it('cuts who takes nothing of what is there from one beat to the next', () => {
    const reader = open()
    const big = { cycle: 1, value: 'x'.repeat(40_000), proofs: [] }
    events.emit('submitted', big)
    beat()
    expect(reader.destroyed).to.equal(false)
    beat()
    expect(reader.destroyed).to.equal(true)
    expect(streams.readers()).to.equal(0)
  })

  it('lets in so many readers, and another when one has gone', () => {
    const there = [open(), open(), open()]
    expect(streams.open({ from: 'now', follow: true })).to.equal(undefined)
    there[0]!.destroy()
    expect(streams.open({ from: 'now', follow: true })).not.to.equal(undefined)
  })
})

describe('control: the stream of events over HTTP', () => {
  const suite = controlOfSuite()
  const open: ClientRequest[] = []
  afterEach(() => {
    for (const one of open.splice(0)) {
      one.destroy()
    }
  })

  /** A reader that has its answer, or nothing of it where the connection was refused. */
  const reader = (headers: Record<string, string> = {}) =>
    new Promise<IncomingMessage | undefined>((resolve) => {
      const asked = request(`${suite().control.url}/v1/events`, {
        headers: { authorization: `Bearer ${suite().token}`, ...headers },
        agent: false
      })
      open.push(asked)
      asked.on('response', resolve)
      asked.on('error', () => resolve(undefined))
      asked.end()
    })

  it('is text/event-stream, and resumes where it was', async () => {
    const { events, ask, control } = suite()
    const first = (await reader())!
    expect(first.statusCode).to.equal(200)
    expect(first.headers['content-type']).to.match(/^text\/event-stream/)
    events.emit('work-started', { cycle: 7 })
    let text = ''
    for await (const part of first.setEncoding('utf8')) {
      text += part
      if (text.includes('data: ')) {
        break
      }
    }
    const id = /^id: (.*)$/m.exec(text)![1]!
    events.emit('closed', { cycle: 7 })
    const rest = await ask('/v1/events?follow=false', { headers: { 'last-event-id': id } })
    expect(rest.body).to.include('"event":"closed"').and.not.include('work-started').and.not.include('gap')
    expect((await ask('/v1/events?follow=false&from=oldest')).body).to.include('work-started')
    // a stop ends what is read, in order
    const last = (await reader())!
    const ended = once(last, 'end')
    last.resume()
    await control.stop()
    await ended
  })

  it('a thousand readers cost what a few do, and nobody else his answer', async () => {
    const { ask } = suite()
    const answers: Array<IncomingMessage | undefined> = []
    for (let i = 0; i < 20; i++) {
      answers.push(...(await Promise.all(Array.from({ length: 50 }, () => reader()))))
    }
    const by = (status: number | undefined) => answers.filter((answer) => answer?.statusCode === status).length
    expect(by(200)).to.equal(LIMITS.readers)
    expect(by(429) + by(undefined)).to.equal(1_000 - LIMITS.readers)
    for (const one of open.splice(LIMITS.readers)) {
      one.destroy()
    }
    // who has the data directory has the socket, and a place of his own
    expect((await ask('/v1/status', { socket: true })).status).to.equal(200)
  })

  it('a reader that stalls is cut, and the others go on', async () => {
    const { events } = suite()
    const stalled = (await reader())!
    const reads = (await reader())!
    const cut = new Promise((resolve) => stalled.on('close', resolve))
    stalled.on('error', () => {})
    stalled.pause()
    let got = 0
    reads.setEncoding('utf8').on('data', (part: string) => {
      got += part.match(/^data: /gm)?.length ?? 0
    })
    // more than the ring and both ends of a connection hold, a little at a time
    let told = 0
    for (; told < 4_000; told++) {
      events.emit('submitted', { cycle: told, value: 'x'.repeat(8_000), proofs: [] })
      while (got <= told - 50) {
        await new Promise((resolve) => setImmediate(resolve))
      }
    }
    while (got < told) {
      await new Promise((resolve) => setImmediate(resolve))
    }
    stalled.resume()
    await cut
    expect(stalled.complete).to.equal(false)
    expect(reads.destroyed).to.equal(false)
  })
})
