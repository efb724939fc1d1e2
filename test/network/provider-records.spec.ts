import { expect } from 'chai'
import { DHT_LIMITS, recordLifetimeMs } from '../../src/network/limits.ts'
import { createProviderRecords, type ProviderRecords, type RecordLimits } from '../../src/network/provider-records.ts'

const VALUE = new Uint8Array([1, 2, 3])

function setUp(limits: Partial<RecordLimits> = {}, staked = new Set<string>()) {
  const clock = { ms: 0 }
  const records = createProviderRecords({
    self: 'self',
    isKept: (peer) => staked.has(peer),
    lifetimeMs: 1_000,
    now: () => clock.ms,
    limits
  })
  return { records, clock, staked }
}

const providersOf = (records: ProviderRecords, content: string) => [...records.of(content)].map(({ provider }) => provider)
const contentsOf = (records: ProviderRecords, peer: string) =>
  [...records.all()].filter(({ provider }) => provider === peer).map(({ content }) => content)

describe('network: provider records', () => {
  it('keeps the latest of each peer, up to its bound', () => {
    const { records } = setUp({ recordsPerStranger: 3, recordsPerStaked: 4 }, new Set(['staked']))
    for (let at = 0; at < 10; at++) {
      records.put(`key${at}`, 'stranger', VALUE)
      records.put(`key${at}`, 'staked', VALUE)
    }
    expect(contentsOf(records, 'stranger')).to.deep.equal(['key7', 'key8', 'key9'])
    expect(contentsOf(records, 'staked')).to.deep.equal(['key6', 'key7', 'key8', 'key9'])
    expect(records.size).to.equal(7)
  })

  it('keeps records for as long as it is said to at the time: tasks come and go', () => {
    const clock = { ms: 0, lifetimeMs: 1_000 }
    const records = createProviderRecords({ self: 'self', isKept: () => true, lifetimeMs: () => clock.lifetimeMs, now: () => clock.ms })
    records.put('proof', 'peer', VALUE)
    clock.ms = 1_500
    clock.lifetimeMs = 2_000
    expect(providersOf(records, 'proof')).to.deep.equal(['peer'])
    clock.lifetimeMs = 1_000
    expect(providersOf(records, 'proof')).to.deep.equal([])
  })

  it('loses nothing of a staked peer to any number of strangers, nor a stranger to its own repetitions', () => {
    const { records } = setUp({ strangerRecords: 50 }, new Set(['staked']))
    records.put('proof', 'staked', VALUE)
    records.put('bundle', 'author', VALUE)
    for (let at = 0; at < 40; at++) {
      records.put('bundle', 'author', VALUE)
    }
    expect(records.size).to.equal(2)
    for (let at = 0; at < 500; at++) {
      records.put(`key${at}`, `stranger${at}`, VALUE)
      records.put('proof', `stranger${at}`, VALUE)
    }
    expect(records.size).to.equal(51)
    expect(providersOf(records, 'proof')[0]).to.equal('staked')
    expect(providersOf(records, 'proof')).to.have.length(1 + DHT_LIMITS.strangersPerKey)
  })

  it('makes the staked peer that fills the shelf lose its own', () => {
    const { records } = setUp({ stakedRecords: 20, recordsPerStaked: 100 }, new Set(['greedy', 'modest', 'other']))
    records.put('one', 'modest', VALUE)
    records.put('two', 'self', VALUE)
    for (let at = 0; at < 100; at++) {
      records.put(`key${at}`, 'greedy', VALUE)
    }
    for (let at = 0; at < 5; at++) {
      records.put(`proof${at}`, 'other', VALUE)
    }
    expect(records.size).to.equal(20)
    expect(contentsOf(records, 'modest')).to.deep.equal(['one'])
    expect(contentsOf(records, 'self')).to.deep.equal(['two'])
    expect(contentsOf(records, 'other')).to.have.length(5)
  })

  it('forgets what was not provided again within its lifetime, whatever else is put', () => {
    const { records, clock } = setUp({}, new Set(['staked']))
    records.put('old', 'staked', VALUE)
    records.put('again', 'staked', VALUE)
    clock.ms = 600
    records.put('again', 'staked', VALUE)
    clock.ms = 999
    expect(providersOf(records, 'old')).to.deep.equal(['staked'])
    clock.ms = 1_000
    expect(providersOf(records, 'old')).to.deep.equal([])
    expect(records.get('old', 'staked')).to.equal(undefined)
    expect(providersOf(records, 'again')).to.deep.equal(['staked'])
    expect([records.size, records.countOf('staked')]).to.deep.equal([1, 1])
    clock.ms = 1_600
    expect(records.size).to.equal(0)
  })

  it('counts a peer as what it is now: stake comes and goes', () => {
    const { records, clock, staked } = setUp({ strangerRecords: 4, strangersPerKey: 4 })
    records.put('one', 'peer', VALUE)
    staked.add('peer')
    clock.ms = 100
    records.put('two', 'peer', VALUE)
    for (let at = 0; at < 10; at++) {
      records.put(`key${at}`, `stranger${at}`, VALUE)
    }
    expect(contentsOf(records, 'peer')).to.deep.equal(['one', 'two'])
    // moved behind a younger one, the elder still ends first
    clock.ms = 1_050
    expect(providersOf(records, 'one')).to.deep.equal([])
    staked.delete('peer')
    records.put('three', 'peer', VALUE)
    for (let at = 0; at < 10; at++) {
      records.put(`key${at}`, `stranger${at}`, VALUE)
    }
    expect(contentsOf(records, 'peer')).to.deep.equal([])
  })

  it('keeps nothing under names that are none, and copies what it keeps', () => {
    const { records } = setUp()
    expect(records.put('a'.repeat(129), 'peer', VALUE)).to.equal(false)
    expect(records.put('key', 'peer', new Uint8Array(17))).to.equal(false)
    const slab = new Uint8Array(64 * 1024)
    records.put('key', 'peer', slab.subarray(0, 6))
    expect(records.get('key', 'peer')?.value.buffer.byteLength).to.equal(6)
  })

  it('looks at what it is asked for alone, whatever is kept', () => {
    const { records } = setUp({ strangerRecords: 100_000, recordsPerStranger: 100_000 })
    let looked = 0
    for (let at = 0; at < 20_000; at++) {
      records.put(`key${at}`, `peer${at % 64}`, VALUE)
    }
    for (const record of records.all()) {
      const { content } = record
      Object.defineProperty(record, 'content', {
        get() {
          looked++
          return content
        }
      })
    }
    expect(records.size).to.equal(20_000)
    expect(providersOf(records, 'key19999')).to.deep.equal(['peer31'])
    expect(looked).to.be.below(10)
  })

  it('keeps records for eight rounds, within bounds of time', () => {
    expect(recordLifetimeMs(500)).to.equal(8 * 500 * 400)
    expect(recordLifetimeMs(30)).to.equal(2 * 60_000)
    expect(recordLifetimeMs(1_000_000)).to.be.below(60 * 60_000)
  })
})
