import { expect } from 'chai'
import { pino } from 'pino'
import { createOutage, createSlots, type Hearing, type Outage } from '../../src/k2/index.ts'
import { eventually, silent } from './chain.ts'

const SLOT_MS = 400

describe('k2: outages', () => {
  let hearings: Hearing[]
  let logged: Array<{ level: number; msg: string }>
  let told: Array<{ event: string } & Record<string, unknown>>
  let outage: Outage
  const hearing = (name: string, change: Partial<Hearing> = {}): Hearing => ({
    ...{ name, dropped: false, silentMs: 0, stillMs: 0, bySubscription: true },
    ...change
  })
  beforeEach(() => {
    logged = []
    told = []
    hearings = [hearing('a')]
    outage = createOutage({
      slots: { now: () => 1234, slotMs: () => SLOT_MS, hearings: () => hearings },
      log: pino({ level: 'info' }, { write: (line: string) => void logged.push(JSON.parse(line)) }),
      emit: (event) => told.push(event)
    })
  })
  /** Half a second each. */
  const ticks = (count: number, change: (one: Hearing) => Partial<Hearing>) => {
    for (let i = 0; i < count; i++) {
      hearings = hearings.map((one) => ({ ...one, ...change(one) }))
      outage.tick()
    }
  }
  const silence = (one: Hearing) => ({ silentMs: one.silentMs + 500, stillMs: one.stillMs + 500 })

  it('are told once, after some slots, with the slot and the seconds, and once when they are over', () => {
    ticks(12, silence)
    expect(outage.reason()).to.equal(null)
    ticks(40, silence)
    expect(outage.reason()).to.equal('K2 has not answered since slot 1234, for 26 s')
    expect(logged.map(({ level, msg }) => [level, msg])).to.deep.equal([
      [40, 'K2 has not answered since slot 1234, for 7 s: it is asked on, and work and votes wait for it']
    ])
    expect(told).to.deep.equal([{ event: 'k2-away', reason: 'K2 has not answered since slot 1234, for 7 s', endpoints: ['a'] }])
    ticks(10, () => ({ silentMs: 0, stillMs: 0 }))
    expect(outage.reason()).to.equal(null)
    expect(logged.slice(1).map(({ level, msg }) => [level, msg])).to.deep.equal([[30, 'K2 answers again, after 26 s']])
    expect(told.slice(1)).to.deep.equal([{ event: 'k2-back', seconds: 26 }])
  })

  it('are none while one of several endpoints answers: the log names the one that does not', () => {
    hearings = [hearing('a'), hearing('b'), hearing('other', { dropped: true })]
    ticks(100, (one) => (one.name === 'b' ? {} : silence(one)))
    expect(outage.reason()).to.equal(null)
    expect(told).to.deep.equal([])
    expect(logged.map(({ msg }) => msg)).to.deep.equal(['a K2 endpoint does not answer any more: the others are asked'])
    expect(outage.of('a')).to.deep.equal({ away: true, silentMs: 50_000, webSocket: true })
    expect(outage.of('b')?.away).to.equal(false)
    ticks(1, () => ({ silentMs: 0 }))
    expect(logged.at(-1)!.msg).to.equal('a K2 endpoint answers again, after 50 s')
  })

  it('are a chain that stands still, too', () => {
    ticks(120, (one) => ({ silentMs: 0, stillMs: one.stillMs + 500 }))
    expect(outage.reason()).to.equal('K2 answers, and its slot has stood at 1234 for 60 s')
    expect(told).to.have.length(1)
  })

  it('are not what a process was away itself, stopped or asleep', async () => {
    let ms = 0
    const source = { name: 'a', slot: async () => 7, onSlot: () => () => {}, renew: () => {}, dropped: () => false }
    const slots = createSlots({ k2: { slotSources: [source] }, log: silent, nowMs: () => ms, onTick: () => outage.tick() })
    outage = createOutage({ slots, log: silent, emit: ({ event }) => told.push({ event }) })
    const answers = { slot: source.slot }
    await slots.start()
    try {
      source.slot = () => new Promise(() => {})
      ms += 3_600_000
      let ticked = 0
      await eventually('some ticks', () => (ticked++ > 20 ? true : undefined))
      expect(slots.hearings()[0]!.silentMs).to.be.at.most(1000)
      expect(told).to.deep.equal([])
    } finally {
      source.slot = answers.slot
      await slots.stop()
    }
  })
})
