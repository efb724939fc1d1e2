import { expect } from 'chai'
import { pino } from 'pino'
import { createFeed, type Feed } from '../../src/k2/feed.ts'
import { eventually } from './chain.ts'
import { type Answer, type Asked, type SocketServer, startSocketServer } from './socket-server.ts'

const UNSUPPORTED = { error: { code: -32601, message: 'Subscriptions unsupported' } }

describe('k2: feed', () => {
  let server: SocketServer
  let feed: Feed
  let logged: Array<{ level: number; msg: string; err?: { message: string; stack: string } }>
  /** Time passes only as it is told. */
  let ms: number
  beforeEach(() => {
    ms = 0
    logged = []
  })
  afterEach(async () => {
    feed.close()
    await server.close()
  })

  const numbered = (asked: Asked): Answer => ({ result: asked.id })
  const open = async (init: Partial<Parameters<typeof startSocketServer>[0]> = {}, pauses = { firstPauseMs: 20, longestPauseMs: 200 }) => {
    server = await startSocketServer({ answer: numbered, ...init })
    const log = pino({ level: 'debug' }, { write: (line: string) => void logged.push(JSON.parse(line)) })
    feed = createFeed({ url: server.url, name: 'one', log, nowMs: () => ms, random: () => 0, pauses })
  }
  const asked = (method: string) => server.asked.filter((one) => one.method === method)
  const idOf = (method: string) => asked(method).at(-1)!.id
  const errors = () => logged.filter(({ level }) => level >= 50)

  it('remembers what an endpoint does not serve, and costs nobody else the connection', async () => {
    await open({ answer: (one) => (one.method === 'slotSubscribe' ? UNSUPPORTED : numbered(one)) })
    const told: unknown[] = []
    const slots = feed.on('slotSubscribe', [], () => {})
    const account = feed.on('accountSubscribe', ['x'], (result) => told.push(result))
    await eventually('the account', () => account.live() || undefined)
    for (let i = 0; i < 100; i++) {
      ms += 5000
      feed.renew('no slot for a while')
    }
    server.notify(idOf('accountSubscribe'), 'news')
    await eventually('the news', () => (told.length > 0 ? true : undefined))
    expect(slots.live()).to.equal(false)
    expect([server.connections(), asked('slotSubscribe').length, asked('accountSubscribe').length]).to.deep.equal([1, 1, 1])
    expect(logged.filter(({ msg }) => msg.includes('does not serve'))).to.have.length(1)
    // nor is it asked for on another connection, for a while
    server.cut()
    await eventually('the account again', () => (server.connections() === 2 && account.live() ? true : undefined))
    expect(asked('slotSubscribe')).to.have.length(1)
    ms += 3_600_000
    server.cut()
    await eventually('a second try', () => (asked('slotSubscribe').length === 2 ? true : undefined))
  })

  it('asks again by itself for what was refused for another reason', async () => {
    let refusals = 0
    await open({ answer: (one) => (refusals++ < 1 ? { error: { code: -32005, message: 'too many subscriptions' } } : numbered(one)) })
    const account = feed.on('accountSubscribe', ['x'], () => {})
    await eventually('the account', () => account.live() || undefined)
    expect([server.connections(), asked('accountSubscribe').length]).to.deep.equal([1, 2])
  })

  it('takes an answer whose words are none for a refusal without words', async () => {
    const none = [{ toString: 1, valueOf: 1 }, ['x'], 7, null, '']
    let refusals = 0
    await open({
      answer: (one) => (refusals < none.length ? ({ error: { code: -32005, message: none[refusals++] } } as never) : numbered(one))
    })
    const account = feed.on('accountSubscribe', ['x'], () => {})
    await eventually('the account', () => account.live() || undefined)
    expect([server.connections(), asked('accountSubscribe').length]).to.deep.equal([1, none.length + 1])
    expect(errors()).to.deep.equal([])
  })

  it('makes a silent subscription again on the connection that others use, each time later', async () => {
    await open()
    const slots = feed.on('slotSubscribe', [], () => {})
    let heard = 0
    const account = feed.on('accountSubscribe', ['x'], () => heard++)
    for (let i = 1; i <= 60; i++) {
      await eventually('both', () => (account.live() && slots.live() ? true : undefined))
      ms += 2000
      server.notify(idOf('accountSubscribe'), 'a sign of life')
      await eventually('the sign', () => (heard === i ? true : undefined))
      feed.renew('no slot for a while')
    }
    await eventually('the last', () => slots.live() || undefined)
    expect(asked('slotUnsubscribe').length).to.equal(asked('slotSubscribe').length - 1)
    expect(asked('slotSubscribe').length).to.be.within(3, 12)
    expect([server.connections(), asked('accountSubscribe').length]).to.deep.equal([1, 1])
  })

  it('lets a handshake take its time, whatever is renewed meanwhile', async () => {
    let finish = () => {}
    await open({
      upgrade: (done) => {
        finish = done
      }
    })
    const slots = feed.on('slotSubscribe', [], () => {})
    await eventually('the dial', () => (server.connections() === 1 ? true : undefined))
    for (let i = 0; i < 5; i++) {
      ms += 4800
      feed.renew('no slot for a while')
    }
    finish()
    await eventually('the subscription', () => slots.live() || undefined)
    expect(server.connections()).to.equal(1)
  })

  it('dials an endpoint that answers and hangs up later each time', async () => {
    const startMs = performance.now()
    await open({ onConnection: (socket) => setTimeout(() => socket.terminate(), 5) }, { firstPauseMs: 40, longestPauseMs: 10_000 })
    feed.on('slotSubscribe', [], () => {})
    await eventually('the sixth connection', () => (server.connections() === 6 ? true : undefined))
    // half of 40, 80, 160, 320 and 640 ms at least
    expect(performance.now() - startMs).to.be.at.least(600)
  })

  it('tells an error of ours from nonsense of the endpoint, and spares the other listeners both', async () => {
    await open()
    const told: number[] = []
    const read = (result: unknown) => (result as { slot: number }).slot
    feed.on('slotSubscribe', [], () => {
      throw new Error('database or disk is full')
    })
    feed.on('slotSubscribe', [], async () => {
      throw new Error('and later')
    })
    const last = feed.on('slotSubscribe', [], (slot: number) => told.push(slot), read)
    await eventually('the last', () => last.live() || undefined)
    for (const { id } of asked('slotSubscribe')) {
      server.notify(id, { slot: 5 }, 'slotNotification')
      server.notify(id, null, 'slotNotification')
    }
    await eventually('the nonsense', () => logged.find(({ msg }) => msg === 'a notice of K2 that makes no sense'))
    expect(told).to.deep.equal([5])
    await eventually('both errors', () => (errors().length >= 2 ? true : undefined))
    expect(new Set(errors().map(({ msg }) => msg))).to.deep.equal(new Set(['what this node does with a notice of K2 failed']))
    expect(new Set(errors().map(({ err }) => err!.message))).to.deep.equal(new Set(['database or disk is full', 'and later']))
    expect(errors()[0]!.err!.stack).to.include('feed.spec.ts')
  })

  it('ends at the endpoint what was left before it had a number', async () => {
    let answer = (): void => {}
    await open({
      answer: (one) => (one.method === 'accountSubscribe' && one.params[0] === 'late' ? undefined : numbered(one)),
      onConnection: (socket) => {
        answer = () => socket.send(JSON.stringify({ jsonrpc: '2.0', id: idOf('accountSubscribe'), result: 77 }))
      }
    })
    feed.on('slotSubscribe', [], () => {})
    const leave = feed.on('accountSubscribe', ['late'], () => {})
    await eventually('the request', () => (asked('accountSubscribe').length === 1 ? true : undefined))
    leave()
    answer()
    await eventually('its end', () => asked('accountUnsubscribe').find(({ params }) => params[0] === 77))
  })

  it('subscribes to everything again after the connection was lost', async () => {
    await open()
    const told: unknown[] = []
    const one = feed.on('accountSubscribe', ['x'], (result) => told.push(result))
    await eventually('the first', () => one.live() || undefined)
    server.cut()
    await eventually('the second', () => (server.connections() === 2 && one.live() ? true : undefined))
    server.notify(idOf('accountSubscribe'), 'news')
    await eventually('the news', () => (told.length > 0 ? true : undefined))
    one()
    await eventually('the end', () => (one.live() ? undefined : true))
  })
})
