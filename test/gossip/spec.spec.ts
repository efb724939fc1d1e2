import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { REASON_NAMES, REASONS, TOLERANCE_SLOTS } from '../../src/judge/index.ts'
import { CONNECTION_LIMITS, DHT_PROTOCOL, HELLO_PROTOCOL, MAX_BAD_SIGNATURES } from '../../src/network/index.ts'
import { DHT_LIMITS } from '../../src/network/limits.ts'
import { SYNC_LIMITS, SYNC_PROTOCOL } from '../../src/sync/index.ts'
import { LIMITS } from '../../src/wire/index.ts'

const spec = (protocol: string) => readFileSync(join(import.meta.dirname, '../../protocols', protocol, 'README.md'), 'utf8')
const section = (protocol: string, title: string) => spec(protocol).split(`\n## ${title}\n`)[1]?.split('\n## ')[0] ?? ''
/** The cells of the table rows, without their backticks. */
const rows = (text: string) =>
  text
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .map((line) =>
      line
        .slice(2, -2)
        .split(' | ')
        .map((cell) => cell.replaceAll('`', '').trim())
    )

describe('specs of hello, gossip and sync', () => {
  it('retell the reasons and their results', () => {
    const told = rows(spec('gossip')).filter(([reason]) => reason! in REASONS)
    expect(Object.fromEntries(told.map(([reason, result]) => [reason, result]))).to.deep.equal(REASONS)
    expect(spec('gossip')).to.contain(`more than ${LIMITS.envelopeBytes} bytes`).and.to.contain(`more than ${TOLERANCE_SLOTS} ahead`)
    expect(spec('gossip')).to.contain(`${MAX_BAD_SIGNATURES} messages that are`)
  })

  it('have a vector for every reason that lies in a message and in what is here', () => {
    const vectors = readdirSync(join(import.meta.dirname, '../../protocols/gossip/vectors'))
    // of the peer that brings it, of K2, and of ourselves
    const elsewhere = ['not-admitted', 'no-slot', 'stake-unknown', 'own-fault']
    const without = REASON_NAMES.filter((reason) => !vectors.some((file) => file.startsWith(reason)))
    expect(without).to.have.members(elsewhere)
  })

  it('retell the limits of sync', () => {
    const told = rows(spec('sync')).filter(([name]) => name! in SYNC_LIMITS)
    expect(Object.fromEntries(told.map(([name, number]) => [name, Number(number)]))).to.deep.equal(SYNC_LIMITS)
    expect(spec('sync')).to.contain(SYNC_PROTOCOL)
  })

  it('retell the connection slots', () => {
    const told = rows(section('hello', 'Slots')).map(([, cell = '']) => (cell.match(/\d+/g) ?? []).map(Number))
    const l = CONNECTION_LIMITS
    expect(told.filter((numbers) => numbers.length > 0)).to.deep.equal([
      [l.maxConnections],
      [l.unstakedSlots],
      [l.unstakedPerIp, l.unstakedPerPrefix],
      [l.helloSlots],
      [l.hellosPerIp, l.hellosPerPrefix],
      [l.perPeer],
      [l.inboundPerSecond],
      [l.pendingInbound],
      [l.pendingPerIp, l.pendingPerPrefix]
    ])
    expect(spec('hello')).to.contain(HELLO_PROTOCOL).and.to.contain(DHT_PROTOCOL)
  })

  it('retell what a server of the DHT keeps and takes', () => {
    const text = section('hello', 'Finding peers')
    const numbers = rows(text).map((cells) => cells.slice(1).map((cell) => (cell.replaceAll(',', '').match(/\d+/g) ?? []).map(Number)))
    const { staked, stranger, strangers } = DHT_LIMITS
    expect(numbers.slice(1)).to.deep.equal([
      [[DHT_LIMITS.recordsPerStaked], [DHT_LIMITS.recordsPerStranger]],
      [[DHT_LIMITS.stakedRecords], [DHT_LIMITS.strangerRecords]],
      [[], [DHT_LIMITS.strangersPerKey]],
      [
        [staked.burst, staked.perSecond],
        [stranger.burst, stranger.perSecond, strangers.burst, strangers.perSecond]
      ]
    ])
    const [lifetime = ''] = text.match(/A record is kept for .*/) ?? []
    expect(lifetime.match(/\d+/g)?.map(Number)).to.deep.equal([
      DHT_LIMITS.lifetimeRounds,
      400,
      DHT_LIMITS.minLifetimeMs / 60_000,
      DHT_LIMITS.maxLifetimeMs / 60_000
    ])
    expect(text)
      .to.contain(`more than ${DHT_LIMITS.tokenBytes} bytes`)
      .and.to.contain(`more than ${DHT_LIMITS.requestBytes / 1024} KiB`)
    expect(text).to.contain(`at most ${DHT_LIMITS.providersPerAnswer} providers`)
    expect(text).to.contain(`more than ${DHT_LIMITS.responseBytes / 1024} KiB of it`)
  })
})
