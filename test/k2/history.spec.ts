import { expect } from 'chai'
import { type ChainWrite, type ClientEvent, checkHistory, type History, type ViolationKind } from './history.ts'

/** Alice and Bob vote on cycles 0 and 1; rounds of 100 slots, cycle 0 is voted on in [200, 300). */
const decided = (staker: string, cycle: number, slot: number, recordDigest = 'aa'): ClientEvent => ({
  kind: 'decided',
  staker,
  cycle,
  slot,
  recordDigest
})
const event = (kind: ClientEvent['kind'], staker: string, cycle: number, slot: number, recordDigest = 'aa'): ClientEvent => ({
  ...decided(staker, cycle, slot, recordDigest),
  kind
})
let signatures = 0
const vote = (staker: string, cycle: number, slot: number, { ok = true, recordDigest = 'aa', batch = false } = {}): ChainWrite => ({
  signature: `signature ${++signatures}`,
  slot,
  ok,
  signers: [batch ? 'carol' : staker],
  instructions: [{ is: 'vote', staker, cycle, recordDigest, ...(batch ? { batch } : {}) }]
})

const good = (): History & { events: ClientEvent[]; writes: ChainWrite[] } => ({
  events: [
    decided('alice', 0, 205),
    event('sent', 'alice', 0, 206),
    event('sent', 'alice', 0, 210),
    event('landed', 'alice', 0, 212),
    decided('bob', 0, 207),
    event('sent', 'bob', 0, 208),
    event('landed', 'bob', 0, 215),
    decided('alice', 1, 301),
    event('sent', 'alice', 1, 302),
    event('landed', 'alice', 1, 305)
  ],
  writes: [vote('alice', 0, 209), vote('alice', 0, 211, { ok: false }), vote('bob', 0, 214), vote('alice', 1, 304), vote('dave', 0, 214)],
  windowOf: (cycle) => ({ from: 200 + 100 * cycle, to: 300 + 100 * cycle }),
  reachable: () => true,
  endSlot: 900
})

describe('k2: history checker', () => {
  it('finds nothing in a good history, and counts', () => {
    expect(checkHistory(good())).to.deep.equal({
      violations: [],
      figures: { decided: 3, votes: 3, refused: 1, lost: 0, sent: 4 }
    })
  })

  const doctored: Array<[kind: ViolationKind, what: string, change: (history: ReturnType<typeof good>) => void]> = [
    ['lost', 'a vote that never came', (h) => h.writes.splice(2, 1) && h.events.splice(6, 1, event('lost', 'bob', 0, 301))],
    ['lost', 'a vote that came and was refused', (h) => h.writes.splice(2, 1, vote('bob', 0, 214, { ok: false })) && h.events.splice(6, 1)],
    ['false landing', 'a client that was told a lie', (h) => h.writes.splice(2, 1)],
    ['false landing', 'another record is there', (h) => h.writes.splice(2, 1, vote('bob', 0, 214, { recordDigest: 'bb' }))],
    ['false loss', 'a client that gave up too early', (h) => h.events.splice(6, 1, event('lost', 'bob', 0, 301))],
    ['two outcomes', 'told twice', (h) => h.events.push(event('landed', 'bob', 0, 217))],
    ['two outcomes', 'landed, then lost', (h) => h.events.push(event('lost', 'bob', 0, 317))],
    ['no outcome', 'a client that never says', (h) => h.events.splice(6, 1)],
    ['voted twice', 'two that count', (h) => h.writes.push(vote('bob', 0, 216))],
    ['undecided vote', 'a vote of nobody’s making', (h) => h.writes.push(vote('bob', 1, 316))],
    [
      'undecided vote',
      'a vote for another record',
      (h) => h.writes.push(vote('bob', 1, 316)) && h.events.push(decided('bob', 1, 310, 'bb'))
    ],
    ['undecided vote', 'on the chain before it was decided', (h) => h.events.splice(4, 1, decided('bob', 0, 220))],
    ['sent undecided', 'sent before it was on disk', (h) => h.events.splice(5, 1, event('sent', 'bob', 0, 206))],
    ['contradiction', 'a change of mind', (h) => h.events.push(decided('bob', 0, 230, 'bb'))],
    [
      'other write',
      'a transfer',
      (h) => h.writes.push({ signature: 'x', slot: 230, ok: true, signers: ['bob'], instructions: [{ is: 'other', what: '1111' }] })
    ],
    ['other write', 'a claim in the same transaction', (h) => h.writes[2]!.instructions.push({ is: 'other', what: 'claim' })]
  ]
  for (const [kind, what, change] of doctored) {
    it(`finds "${kind}": ${what}`, () => {
      const history = good()
      change(history)
      expect(checkHistory(history).violations.map((violation) => violation.kind)).to.include(kind)
    })
  }

  it('forgives what nobody could help', () => {
    const cutOff = good()
    cutOff.writes.splice(2, 1)
    cutOff.events.splice(6, 1, event('lost', 'bob', 0, 301))
    expect(checkHistory({ ...cutOff, reachable: (staker) => staker !== 'bob' }).violations).to.deep.equal([])
    expect(checkHistory({ ...cutOff, reachable: (staker) => staker !== 'bob' }).figures.lost).to.equal(1)
    // decided when it was too late
    cutOff.events.splice(4, 2, decided('bob', 0, 300))
    expect(checkHistory(cutOff).violations).to.deep.equal([])
  })

  it('takes a vote from a batch for one, and a batch that came twice for no second one', () => {
    const history = good()
    history.writes.splice(2, 1, vote('bob', 0, 214, { batch: true }), vote('bob', 0, 219, { batch: true }))
    const { violations, figures } = checkHistory(history)
    expect(violations).to.deep.equal([])
    expect(figures).to.include({ votes: 3, refused: 2 })
  })
})
