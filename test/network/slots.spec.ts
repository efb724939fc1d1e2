import type { Connection } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { expect } from 'chai'
import {
  CONNECTION_LIMITS,
  type ConnectionLimits,
  createConnectionSlots,
  type Holder,
  LOCAL_CONNECTION_LIMITS,
  overflow,
  type Peers,
  type SlotUse
} from '../../src/network/index.ts'
import { HELLO_TIMEOUT_MS, limitsFor, UNBOUND_IDLE_MS } from '../../src/network/limits.ts'
import { canonicalIp, prefixOf } from '../../src/network/prefix.ts'

const limits = CONNECTION_LIMITS
const NOW = 1_000_000

/** So many of a kind, each from a network of its own unless told otherwise; the first is the oldest and the idlest. */
function some(count: number, holder: Holder, over: Partial<SlotUse> = {}): SlotUse[] {
  return Array.from({ length: count }, (_, at) => ({
    id: `${holder} ${at}`,
    peerId: `${holder} ${at}`,
    holder,
    inbound: true,
    ip: `10.0.${at}.1`,
    prefix: `10.0.${at}`,
    openedMs: NOW - 2_000 + at,
    activeMs: NOW - 2_000 + at,
    ...over
  }))
}
const gone = (uses: SlotUse[], over: Partial<ConnectionLimits> = {}, nowMs = NOW) => [...overflow(uses, { ...limits, ...over }, nowMs)]

describe('network: slots, who goes', () => {
  it('nobody while there is room', () => {
    expect(gone([...some(limits.unstakedSlots, 'stranger'), ...some(limits.helloSlots, 'greeting')])).to.deep.equal([])
  })

  it('the stranger that is idle the longest, when one more comes', () => {
    const uses = some(limits.unstakedSlots + 1, 'stranger')
    uses[0]!.activeMs = NOW
    expect(gone(uses)).to.deep.equal([['stranger 1', 'unstaked-full']])
  })

  it('no newcomer whose hello is to come, however many strangers sit there', () => {
    expect(gone([...some(limits.unstakedSlots, 'stranger'), ...some(1, 'greeting')])).to.deep.equal([])
  })

  it('of those whose hello is to come, the oldest of the network that has the most', () => {
    const crowd = some(limits.helloSlots, 'greeting').map((use, at) => ({ ...use, prefix: at >= 3 && at < 6 ? 'crowd' : use.prefix }))
    const newcomer = { ...some(1, 'greeting')[0]!, id: 'newcomer', peerId: 'newcomer', ip: '192.0.2.1', prefix: '192.0.2' }
    expect(gone([newcomer, ...crowd])).to.deep.equal([['greeting 3', 'hellos-full']])
  })

  it('of one address or network with too many, one of its own', () => {
    const mine = { ip: '192.0.2.7', prefix: '192.0.2' }
    const one = (at: number) => ({ ...mine, id: `mine ${at}`, peerId: `mine ${at}`, openedMs: NOW - at, activeMs: NOW - at })
    const many = (count: number, holder: Holder, spread: boolean) =>
      Array.from({ length: count }, (_, at) => ({ ...some(1, holder)[0]!, ...one(at), ip: spread ? `192.0.2.${at}` : mine.ip }))
    const others = some(limits.unstakedSlots - limits.unstakedPerPrefix, 'stranger', { activeMs: NOW - 9_000 })
    expect(gone([...others, ...many(limits.unstakedPerIp + 1, 'stranger', false)])).to.deep.equal([
      [`mine ${limits.unstakedPerIp}`, 'ip-full']
    ])
    expect(gone([...others, ...many(limits.unstakedPerPrefix + 1, 'stranger', true)])).to.deep.equal([
      [`mine ${limits.unstakedPerPrefix}`, 'prefix-full']
    ])
    expect(gone(many(limits.hellosPerIp + 1, 'greeting', false))).to.deep.equal([[`mine ${limits.hellosPerIp}`, 'ip-full']])
    expect(gone(many(limits.hellosPerPrefix + 1, 'greeting', true))).to.deep.equal([[`mine ${limits.hellosPerPrefix}`, 'prefix-full']])
  })

  it('nobody with stake or named by a staker, for how many strangers and hellos there are', () => {
    const crowd = [...some(200, 'stranger'), ...some(200, 'greeting')]
    const kept = [
      ...some(100, 'bound', { ip: '192.0.2.7', prefix: '192.0.2' }),
      ...some(50, 'named', { ip: '192.0.2.7', prefix: '192.0.2' })
    ]
    const ids = new Set(gone([...crowd, ...kept]).map(([id]) => id))
    expect(kept.filter(({ id }) => ids.has(id))).to.deep.equal([])
  })

  it('the stranger that asked for nothing for half a minute, and nobody whose stake is not known only because K2 is not', () => {
    const uses = [...some(2, 'stranger'), { ...some(1, 'bound')[0]!, id: 'bound' }]
    uses[1]!.undecided = true
    expect(gone(uses, {}, NOW + UNBOUND_IDLE_MS)).to.deep.equal([['stranger 0', 'idle']])
  })

  it('one of a peer that holds more connections than two ends need', () => {
    const uses = some(limits.perPeer + 1, 'bound', { peerId: 'alice' })
    expect(gone(uses)).to.deep.equal([['bound 0', 'too many of one peer']])
  })

  it('strangers, the idlest first, for peers with stake, until eight are left', () => {
    const most = limits.maxConnections
    const strangers = some(limits.unstakedSlots, 'stranger')
    expect(gone([...some(most - limits.unstakedSlots, 'bound'), ...strangers])).to.deep.equal([])
    expect(gone([...some(most - limits.unstakedSlots + 1, 'bound'), ...strangers])).to.deep.equal([['stranger 0', 'unstaked-full']])
    expect(gone([...some(most - 8, 'bound'), ...strangers])).to.have.length(limits.unstakedSlots - 8)
  })

  it('the latest with stake that dialled us, when there is no place left: never one that we dialled', () => {
    const most = limits.maxConnections - 8
    const uses = some(most + 1, 'bound')
    expect(gone(uses)).to.deep.equal([[`bound ${most}`, 'full']])
    uses.at(-1)!.inbound = false
    expect(gone(uses)).to.deep.equal([[`bound ${most - 1}`, 'full']])
  })

  it('of the task that has the most, the latest with stake: however many come of one task, another’s are let in', () => {
    const { maxConnections } = limits
    const places = maxConnections - 8
    const crowd = some(places, 'bound', { tasks: ['crowded'] })
    const late = (name: string, tasks: string[]) => ({ ...some(1, 'bound', { tasks })[0]!, id: name, peerId: name, openedMs: NOW })
    const ids = (uses: SlotUse[]) => gone(uses).map(([id]) => id)
    const [last, before] = [places - 1, places - 2].map((at) => `bound ${at}`)
    expect(ids([...crowd, late('one of another', ['quiet'])])).to.deep.equal([last])
    expect(ids([...crowd, late('one of both', ['crowded', 'quiet'])])).to.deep.equal([last])
    expect(ids([...crowd, late('one more', ['crowded'])])).to.deep.equal(['one more'])
    expect(ids([...crowd, late('one of another', ['quiet']), late('one more', ['crowded'])])).to.deep.equal(['one more', last])
    expect(ids([...crowd, late('one', ['quiet']), late('two', ['quiet'])])).to.deep.equal([last, before])
    // no task has more than its share of the places: the latest, as with one task
    const halves = crowd.map((use, at) => ({ ...use, tasks: [at % 2 === 0 ? 'even' : 'odd'] }))
    expect(ids([...halves, late('one more', ['even'])])).to.deep.equal(['one more'])
  })

  it('no hello of one that we dialled ourselves, which counts once it turned out to be a stranger', () => {
    expect(
      gone([
        ...some(limits.helloSlots, 'greeting'),
        ...some(8, 'greeting', { inbound: false }).map((one) => ({ ...one, id: `ours ${one.id}` }))
      ])
    ).to.deep.equal([])
    expect(gone(some(limits.unstakedSlots + 1, 'stranger', { inbound: false }))).to.deep.equal([['stranger 0', 'unstaked-full']])
  })

  it('three quarters of all connections are for stake, and one for others, however few an operator allows', () => {
    for (const maxConnections of [4, 20, 100, 256]) {
      const fitted = limitsFor({ ...limits, maxConnections })
      expect(Math.min(fitted.unstakedSlots, fitted.helloSlots)).to.be.at.least(1)
      const strangers = some(limits.unstakedSlots, 'stranger')
      const left = (bound: number) => {
        const uses = [...some(bound, 'bound'), ...strangers]
        const ids = new Set(overflow(uses, fitted, NOW).keys())
        return uses.filter(({ id }) => !ids.has(id))
      }
      expect(left(Math.floor((maxConnections * 3) / 4)).filter(({ holder }) => holder === 'bound')).to.have.length(
        Math.floor((maxConnections * 3) / 4)
      )
      expect(left(2 * maxConnections).filter(({ holder }) => holder === 'stranger')).not.to.have.length(0)
      expect(left(2 * maxConnections)).to.have.length(maxConnections)
    }
  })

  it('on one machine nothing can be told from an address', () => {
    const same = { ip: '127.0.0.1', prefix: '127.0.0' }
    expect([
      ...overflow(
        [...some(limits.unstakedSlots, 'stranger', same), ...some(limits.helloSlots, 'greeting', same)],
        LOCAL_CONNECTION_LIMITS,
        NOW
      )
    ]).to.deep.equal([])
  })
})

describe('network: slots', () => {
  const address = multiaddr('/ip4/93.184.216.34/tcp/1')

  function house(hellos = 1) {
    const stakers = new Set<string>()
    const claimed = new Set<string>()
    const peers = {
      isStaked: (id: string) => stakers.has(id),
      isClaimed: (id: string) => claimed.has(id),
      isBanned: (id: string) => id === 'banned',
      stakerOf: () => undefined,
      hasStake: () => undefined
    } as unknown as Peers
    const clock = { ms: 0 }
    const due: Array<() => void> = []
    const slots = createConnectionSlots({
      peers,
      hellos: () => hellos,
      limits,
      local: false,
      timer: (run) => {
        due.push(run)
        return () => {}
      },
      now: () => clock.ms
    })
    const closed: string[] = []
    const connect = (id: string, direction = 'inbound', ip = '93.184.216.34') => {
      const connection = {
        id,
        direction,
        status: 'open',
        remotePeer: { toString: () => id },
        remoteAddr: multiaddr(`/ip4/${ip}/tcp/1`),
        abort: () => void closed.push(id)
      } as unknown as Connection
      slots.opened(connection)
      return connection
    }
    return { slots, stakers, claimed, clock, due, closed, connect }
  }

  it('counts a hello that does not come as a stranger, and closes it when it stays idle', () => {
    const { slots, clock, due, closed, connect } = house()
    connect('silent')
    expect(slots.counts()).to.deep.equal({ total: 1, unstaked: 1, greeting: 1 })
    clock.ms = HELLO_TIMEOUT_MS
    expect(slots.counts()).to.deep.equal({ total: 1, unstaked: 1, greeting: 0 })
    clock.ms = UNBOUND_IDLE_MS
    due.shift()!()
    expect(closed).to.deep.equal(['silent'])
    expect(slots.counts().total).to.equal(0)
    expect(slots.dropped()).to.deep.equal({ idle: 1 })
  })

  it('takes nobody for a stranger before its hellos of all tasks are done, and has no slots without a task', () => {
    const { slots, connect } = house(2)
    const connection = connect('one')
    slots.greeted(connection)
    expect(slots.counts().greeting).to.equal(1)
    slots.greeted(connection)
    expect(slots.counts().greeting).to.equal(0)
    const none = house(0)
    for (let at = 0; at < 3 * limits.unstakedSlots; at++) {
      none.connect(`${at}`)
    }
    expect([none.closed, none.due]).to.deep.equal([[], []])
  })

  it('keeps a stranger for as long as it asks for something', () => {
    const { slots, clock, due, closed, connect } = house()
    const auditor = connect('auditor')
    slots.greeted(auditor)
    clock.ms = UNBOUND_IDLE_MS - 1
    slots.used(auditor)
    clock.ms = UNBOUND_IDLE_MS
    due.shift()!()
    expect(closed).to.deep.equal([])
  })

  it('closes a stranger of the same address for a new one', () => {
    const { slots, clock, closed, connect } = house()
    for (let at = 0; at <= limits.unstakedPerIp; at++) {
      clock.ms++
      slots.greeted(connect(`stranger ${at}`))
    }
    expect(closed).to.deep.equal(['stranger 0'])
  })

  it('lets nobody in that was cut', async () => {
    const { slots } = house()
    const denied = (id: string) =>
      slots.gater.denyInboundEncryptedConnection!({ toString: () => id } as never, { remoteAddr: address } as never)
    expect(await denied('banned')).to.equal(true)
    expect(await denied('anybody')).to.equal(false)
  })

  it('dials private ranges only where the operator named them, or on a local mesh', async () => {
    const peers = { isBanned: () => false } as unknown as Peers
    const named = multiaddr('/ip4/10.0.0.1/tcp/1')
    const denies = async (local: boolean, text: string) =>
      createConnectionSlots({ peers, limits, local, allowed: [named] }).gater.denyDialMultiaddr!(multiaddr(text))
    expect(await denies(false, '/ip4/10.0.0.2/tcp/1')).to.equal(true)
    expect(await denies(false, '/ip4/10.0.0.1/tcp/1/p2p/12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5')).to.equal(false)
    expect(await denies(false, '/ip4/93.184.216.34/tcp/1')).to.equal(false)
    expect(await denies(true, '/ip4/10.0.0.2/tcp/1')).to.equal(false)
  })
})

describe('network: networks of addresses', () => {
  it('are a /24, or a /64, however the address is written', () => {
    expect(prefixOf('192.0.2.77')).to.equal('192.0.2')
    expect(prefixOf('::ffff:192.0.2.77')).to.equal('192.0.2')
    expect(prefixOf('2001:db8::1')).to.equal('2001:db8:0:0')
    expect(prefixOf('2001:db8:0:0:9::')).to.equal('2001:db8:0:0')
    expect(prefixOf('2001:db8:0:1::1')).to.equal('2001:db8:0:1')
    expect(prefixOf('::1')).to.equal('0:0:0:0')
    expect(canonicalIp('FE80::1%eth0')).to.equal(canonicalIp('fe80:0:0:0:0:0:0:1'))
    expect(prefixOf('no address')).to.equal('no address')
  })
})
