import { EventEmitter } from 'node:events'
import { stripVTControlCharacters } from 'node:util'
import { expect } from 'chai'
import { MIN_AUDIT_WINDOW, scheduleFor } from '../../src/clock/index.ts'
import { widthOf } from '../../src/observe/shown-text.ts'
import type { NodeFacts, RunFacts, TransactionFacts } from '../../src/testnet/facts.ts'
import { FAULTS, parseFaults } from '../../src/testnet/faults.ts'
import { createFinish } from '../../src/testnet/finish.ts'
import { MIN_ROUND_SLOTS, windowsOf } from '../../src/testnet/index.ts'
import { checkInvariants, invariantLines, nothingChecked } from '../../src/testnet/invariants.ts'
import { stateOf } from '../../src/testnet/states.ts'
import { createView, picture, type ViewState } from '../../src/testnet/view.ts'

const STAKERS = ['alice', 'bob', 'carol']
const record = (cycle: number, totalRewards: bigint) => ({
  cycle,
  cid: `record-${cycle}`,
  root: `root-${cycle}`,
  recomputed: { ok: true as const },
  accepted: STAKERS,
  rejected: [],
  rewards: new Map([
    ['alice', totalRewards - 2n],
    ['bob', 2n]
  ]),
  totalRewards
})
const vote = (staker: string, cycle: number, more: Partial<TransactionFacts> = {}): TransactionFacts => ({
  slot: 200 + cycle,
  signature: `${staker}-${cycle}`,
  feePayer: staker,
  bytes: 300,
  failed: false,
  kinds: ['vote'],
  votes: [{ staker, cycle }],
  ...more
})

/** A run of two cycles in which nothing went wrong; each test changes the one thing that it is about. */
function good(): RunFacts & { nodes: Array<NodeFacts & { records: Map<number, string> }> } {
  return {
    nodes: STAKERS.map((name) => ({
      name,
      staker: name,
      fault: null,
      records: new Map([0, 1].map((cycle) => [cycle, `record-${cycle}`])),
      interrupted: false,
      firstCycle: 0,
      crashed: null
    })),
    transactions: [0, 1].flatMap((cycle) => STAKERS.map((staker) => vote(staker, cycle))),
    records: [record(0, 10n), record(1, 20n)],
    startingSlot: 100,
    roundSlots: 30,
    openCycle: null,
    onK2: { cycle: 1, totalRewards: 20n },
    money: { genesis: 1000n, now: 970n, fees: 30n },
    slashes: new Map([['bob', { ledger: 3n, applied: 3n, left: 7n }]]),
    pot: { funded: 500n, claimed: 20n, slashed: 0n, lamports: 480n + 7n, rentReserve: 7n }
  }
}
/** A third cycle, in which nothing went wrong either. */
function addCycle(facts: ReturnType<typeof good>): void {
  facts.records.push(record(2, 30n))
  facts.transactions.push(...STAKERS.map((staker) => vote(staker, 2)))
  for (const { records } of facts.nodes) {
    records.set(2, 'record-2')
  }
  facts.onK2 = { cycle: 2, totalRewards: 30n }
}
const broken = (facts: RunFacts, wanted: number | null = 2) =>
  checkInvariants(facts, wanted)
    .filter(({ broken: found }) => found != null)
    .map(({ name, broken: found }) => `${name}: ${found}`)

describe('testnet', () => {
  describe('invariants', () => {
    it('hold in a run in which nothing went wrong', () => {
      expect(broken(good())).to.deep.equal([])
      expect(broken(good(), null)).to.deep.equal([])
    })

    const cases: Array<[name: string, change: (facts: ReturnType<typeof good>) => void, says: RegExp]> = [
      ['a cycle too few', (facts) => facts.records.pop(), /enough cycles.*1 of 2/],
      ['a node with another record', (facts) => facts.nodes[1]!.records.set(1, 'other'), /agree.*bob holds other for cycle 1/],
      ['a node without a record', (facts) => facts.nodes[1]!.records.delete(0), /agree.*bob holds no record of cycle 0/],
      [
        'a record that does not recompute',
        (facts) => Object.assign(facts.records[1]!, { recomputed: { ok: false, reason: 'another tally' } }),
        /recompute: cycle 1: another tally/
      ],
      [
        'a ledger that does not add up',
        (facts) => facts.records[1]!.rewards instanceof Map && facts.records[1]!.rewards.set('bob', 3n),
        /recompute: cycle 1/
      ],
      [
        'rewards that shrink',
        (facts) =>
          Object.assign(facts, {
            records: [record(0, 10n), record(1, 9n)],
            onK2: { cycle: 1, totalRewards: 9n },
            pot: { ...facts.pot!, claimed: 9n, lamports: 491n + 7n }
          }),
        /recompute: cycle 1.*the one before 10/
      ],
      ['a second vote', (facts) => facts.transactions.push(vote('bob', 1)), /one final vote.*bob voted 2 times for cycle 1/],
      ['a vote that failed', (facts) => Object.assign(facts.transactions[0]!, { failed: true }), /alice did not vote for cycle 0/],
      [
        'a node that writes something else',
        (facts) => facts.transactions.push(vote('carol', 1, { kinds: ['claim'], votes: [] })),
        /nothing but final votes.*carol wrote claim in slot 201/
      ],
      [
        'a slash that nobody took',
        (facts) => Object.assign(facts, { slashes: new Map([['bob', { ledger: 3n, applied: 2n, left: 7n }]]) }),
        /every slash.*takes 3 ROE from bob, on K2 2 were taken/
      ],
      [
        'a vote with something beside it',
        (facts) => Object.assign(facts.transactions[0]!, { kinds: ['vote', 'system'] }),
        /nothing but final votes.*alice wrote vote, system/
      ],
      ['a lamport that is gone', (facts) => Object.assign(facts.money, { now: 969n }), /last lamport.*1 are missing/],
      ['a lamport too many', (facts) => Object.assign(facts.money, { now: 971n }), /last lamport.*-1 are missing/],
      ['a pot that pays too much', (facts) => Object.assign(facts.pot!, { lamports: 486n }), /last lamport.*the pot holds 479/],
      ['a cycle too many', (facts) => addCycle(facts), /enough cycles.*3 of 2/],
      ['rewards that K2 does not know of', (facts) => Object.assign(facts.onK2!, { totalRewards: 19n }), /last lamport.*owes 20.*19/],
      [
        'rewards that K2 has and the ledger has not',
        (facts) => Object.assign(facts.onK2!, { totalRewards: 21n }),
        /last lamport.*owes 20.*21/
      ],
      ['a chain that is behind', (facts) => Object.assign(facts.onK2!, { cycle: 0 }), /last lamport.*as of cycle 0/],
      [
        'more claimed than is owed',
        (facts) => Object.assign(facts.pot!, { claimed: 21n, lamports: 479n + 7n }),
        /last lamport.*21 ROE were taken.*only 20/
      ],
      ['a crash', (facts) => Object.assign(facts.nodes[2]!, { crashed: 'exit status 1' }), /no node crashed: carol: exit status 1/]
    ]
    for (const [name, change, says] of cases) {
      it(`find ${name}, and nothing else`, () => {
        const facts = good()
        change(facts)
        const found = broken(facts)
        expect(found).to.have.length(1)
        expect(found[0]).to.match(says)
      })
    }

    it('are not checked in a run that was stopped before a cycle was finalized, and are not said to hold', () => {
      const facts = good()
      Object.assign(facts, { records: [], transactions: [], onK2: null, slashes: null, pot: null })
      const invariants = checkInvariants(facts, null)
      expect(invariants.map((one) => [one.broken, one.unchecked])).to.deep.equal(invariants.map(() => [null, 'no cycle was finalized']))
      const why = nothingChecked(invariants, true)
      expect(why).to.match(/^the run was stopped before a cycle was finalized/)
      expect(invariantLines(invariants, why)).to.deep.equal([`nothing was checked: ${why}`])
      // of those who wanted three there are three too few, as before
      const wanted = checkInvariants(facts, 3)
      const lines = invariantLines(wanted, nothingChecked(wanted, true))
      expect(lines[0]).to.equal('BROKEN enough cycles are finalized: 0 of 3 cycles are finalized')
      expect(lines.slice(1)).to.deep.equal([`nothing else was checked: ${why}`])
    })

    it('say that they hold where they were checked, one by one', () => {
      const facts = good()
      facts.slashes = null
      const invariants = checkInvariants(facts, 2)
      expect(nothingChecked(invariants, true)).to.equal(null)
      const lines = invariantLines(invariants, null)
      expect(lines.filter((line) => line.startsWith('ok     '))).to.have.length(invariants.length - 1)
      expect(lines).to.include('-      every slash of the ledger is taken on K2: not checked, as no slash was to be taken any more')
    })

    it('allow a chain that has gone on to the next cycle while the nodes were stopped, and was claimed by that', () => {
      const facts = good()
      facts.onK2 = { cycle: 2, totalRewards: 30n }
      facts.pot = { ...facts.pot!, claimed: 30n, lamports: 470n + 7n }
      facts.transactions.push(vote('alice', 2), vote('bob', 2))
      expect(broken(facts)).to.deep.equal([])
    })

    it('forgive absence to those who had a reason, and contradiction to nobody', () => {
      for (const reason of [{ fault: 'silent' as const }, { interrupted: true }, { firstCycle: 2 }]) {
        const facts = good()
        Object.assign(facts.nodes[1]!, reason, { records: new Map() })
        facts.transactions = facts.transactions.filter(({ votes: [cast] }) => cast?.staker !== 'bob')
        expect(broken(facts), JSON.stringify(reason)).to.deep.equal([])
        facts.nodes[1]!.records.set(0, 'other')
        facts.transactions.push(vote('bob', 1), vote('bob', 1))
        expect(broken(facts), JSON.stringify(reason)).to.have.length(2)
      }
      // the run was stopped while cycle 1 was voted on
      const open = good()
      open.openCycle = 1
      open.nodes[1]!.records.delete(1)
      open.transactions = open.transactions.filter(({ signature }) => signature !== 'bob-1')
      expect(broken(open)).to.deep.equal([])
      open.nodes[0]!.records.delete(0)
      expect(broken(open)).to.have.length(1)
    })

    it('leave what nodes wrote before the first round out', () => {
      const facts = good()
      facts.transactions.unshift(vote('alice', 0, { slot: 99, kinds: ['stake'], votes: [] }))
      expect(broken(facts)).to.deep.equal([])
    })
  })

  describe('the end of a run', () => {
    const timing = { startingSlot: 100, roundSlots: 30, submissionWindow: 12, auditWindow: 12 }
    const at = (cycle: number) => ({ finalized: { cycle } })

    it('is the cycle that was asked for, whatever is finalized after it', () => {
      const finish = createFinish(2, timing)
      expect([finish.saw({ finalized: undefined }), finish.saw(at(0)), finish.saw(at(0)), finish.endSlot()]).to.deep.equal([
        'nothing',
        'counts',
        'nothing',
        null
      ])
      // cycle 1 was skipped
      expect([finish.saw(at(2)), finish.saw(at(3)), finish.saw(at(2)), finish.count()]).to.deep.equal(['counts', 'beyond', 'nothing', 2])
      const end = finish.endSlot()!
      expect(end).to.equal(100 + 5 * 30)
      // nobody has spoken of the next cycle's record by then
      expect(scheduleFor(timing, 3).proposalSlot).to.be.greaterThan(end)
    })
    it('never comes where no number was given', () => {
      const finish = createFinish(null, timing)
      expect([0, 1, 2, 3].map((cycle) => finish.saw(at(cycle)))).to.deep.equal(['counts', 'counts', 'counts', 'counts'])
      expect(finish.endSlot()).to.equal(null)
    })
  })

  describe('windows', () => {
    it('leave time to audit, or are refused', () => {
      for (let slots = 1; slots < 100; slots++) {
        if (slots < MIN_ROUND_SLOTS) {
          expect(() => windowsOf(slots)).to.throw(/nobody has the time/)
        } else {
          const { submissionWindow, auditWindow } = windowsOf(slots)
          expect(auditWindow).to.be.at.least(MIN_AUDIT_WINDOW)
          expect(submissionWindow + auditWindow).to.be.below(slots)
        }
      }
    })
  })

  describe('faults', () => {
    it('are read with their counts', () => {
      expect(parseFaults([])).to.deep.equal([])
      expect(parseFaults(['bad-proof:2', 'silent'])).to.deep.equal(['bad-proof', 'bad-proof', 'silent'])
      expect(parseFaults(Object.keys(FAULTS).map((name) => `${name}:1`))).to.deep.equal(Object.keys(FAULTS))
    })
    it('are refused when there is no such fault or count', () => {
      for (const text of ['lazy', 'lazy:1', '', ':1', 'toString:1', '__proto__:1', 'Silent:1']) {
        expect(() => parseFaults([text]), text)
          .to.throw(/there is no fault .*bad-proof/)
          .with.property('name', 'FaultError')
      }
      for (const text of ['silent:0', 'silent:-1', 'silent:1.5', 'silent:x', 'silent:', 'silent:1:1', 'silent:1000', 'silent: 1']) {
        expect(() => parseFaults([text]), text)
          .to.throw(/KIND:COUNT, for example silent:1/)
          .with.property('name', 'FaultError')
      }
    })
  })

  describe('the live view', () => {
    const state: ViewState = {
      setup: [],
      url: 'http://127.0.0.1:8899',
      task: 'TASK',
      taskName: 'k2-index',
      gets: ['params {}'],
      slot: 145,
      cycle: 1,
      at: 15,
      roundSlots: 30,
      phase: 'audits',
      finalized: 1,
      wanted: 3,
      slotMs: { asked: 400, median: 412, longest: 2900, waitedFor: { name: 'node-2', ms: 3200 } },
      rows: [
        {
          name: 'node-1',
          staker: 'AAAAbbbbccccDDDD',
          fault: null,
          state: 'working',
          peers: 4,
          work: 'cycle 1',
          submitted: 'cycle 0',
          audits: 'cycle 0: valid',
          challenged: '-',
          voted: '-',
          rewards: 2_500_000_000n
        },
        {
          name: 'node-2',
          staker: 'EEEEffffggggHHHH',
          fault: 'bad-proof',
          state: 'working',
          peers: 4,
          work: 'cycle 1',
          submitted: 'cycle 0',
          audits: '-',
          challenged: '-',
          voted: '-',
          rewards: 0n
        }
      ],
      messages: Array.from({ length: 9 }, (_, i) => `message ${i}`)
    }
    /** Without the colours. */
    // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences begin with one
    const plain = (text: string) => text.replaceAll(/\u001b\[[0-9;]*m/g, '')

    it('shows nodes, progress, news and how to join', () => {
      const text = plain(picture(state, 180))
      expect(text).to.match(/node-1 .*AAAA\.\.DDDD.*working.*cycle 0: valid.*2\.5 KOII/)
      expect(text).to.match(/node-2 \(bad-proof\)/)
      expect(text).to.match(/slot 15 of 30 {2}audits {2}1 of 3 finalized/)
      const bar = /[█░]+/.exec(text)![0]
      expect([...bar].filter((char) => char === '█').length).to.equal(bar.length / 2)
      expect(text).to.not.include('message 2')
      expect(text).to.include('message 8')
      expect(text).to.include('koii-mesh start --k2 http://127.0.0.1:8899 --task TASK')
    })
    it('tells nobody to join or to stop a run that is over', () => {
      const text = plain(picture({ ...state, isOver: true }, 180))
      expect(text)
        .to.include('node-1')
        .and.to.include('message 8')
        .and.to.match(/The run is over: [^\n]*$/)
      expect(text).to.not.match(/Join it|koii-mesh start|Ctrl\+C/)
    })
    it('fits the terminal: the head and the bar stay, the table gives columns, and the news and the rest take what is left', () => {
      const row = { ...state.rows[0]!, audits: 'cycle 11: unavailable', challenged: 'cycle 11: node-5', rewards: 48_666_666_666n }
      const names = ['node-1', 'node-2', 'node-3', 'node-4', 'node-5 (forged-record)']
      const full = {
        ...state,
        task: 'T'.repeat(44),
        rows: names.map((name) => ({ ...row, name })),
        slotMs: { asked: 400, median: 473.25, longest: 23_916, waitedFor: { name: 'node-4', ms: 28_500 } },
        messages: Array.from({ length: 9 }, (_, i) => `message ${i}, ${'東京 and more '.repeat(20)}`)
      }
      for (const [columns, rows] of [
        [80, 24],
        [80, 12],
        [60, 20],
        [40, 10],
        [120, 30],
        [200, 50]
      ] as const) {
        const lines = picture(full, columns, rows).split('\n')
        expect(lines.length, `${columns}x${rows}`).to.be.below(rows)
        for (const line of lines) {
          expect(widthOf(line), line).to.be.at.most(columns)
        }
        expect(lines[0]).to.match(/^koii-mesh testnet {2}task k2-index/)
        expect(lines[1]).to.match(/slot \d+/)
        expect(lines[2]).to.match(/^cycle 1 {2}[█░]{10,} {2}slot 15 of 30/)
        expect(lines.at(-1)).to.equal('Ctrl+C stops everything.')
      }
      const usual = picture(full, 80, 24)
      for (const name of names) {
        expect(usual).to.include(`│ ${name}`)
      }
      expect(usual).to.include('48.6666 │').and.to.include('message 8').and.to.include('slots take 473 ms')
      // over several lines it is still one command
      const command = usual.slice(usual.indexOf('  koii-mesh start'), usual.indexOf('\nCtrl+C')).replaceAll('\\\n', ' ')
      expect(command.split(/\s+/).filter((word) => word !== '')).to.include.members(['--k2', '--task', 'T'.repeat(44), '--airdrop'])
      expect(command).not.to.include('\n')
    })
    it('shows the peers of six nodes, two of which misbehave, on 80 columns', () => {
      const busy = { ...state.rows[0]!, state: 'meshed', peers: 5, audits: 'cycle 2: unavailable', challenged: 'cycle 2: node-5' }
      const rows = ['node-1', 'node-2', 'node-3', 'node-4', 'node-5 (bad-proof)', 'node-6 (no-proof)'].map((name) => ({ ...busy, name }))
      const text = picture({ ...state, rows }, 80, 24)
      expect(text).to.match(/│ state +│ peers │/)
      expect(text.match(/│ meshed │ 5 {5}│/g)).to.have.length(6)
    })
    it('cuts nothing of an error, of what the task is given and of what is set up: it goes on in the next line', () => {
      const unwrapped = (text: string) => text.replaceAll(/\s+/g, ' ')
      const error = `cannot stake for node-3: ${'the faucet has too little for it, '.repeat(6)}see where it went`
      const gets = [`params ${JSON.stringify({ urls: Array(4).fill('http://127.0.0.1:8080/index.html') })}`]
      const shown = unwrapped(picture({ ...state, gets, messages: ['before', error] }, 80, 40))
      expect(shown).to.include(error)
      expect(shown.replaceAll(' ', '')).to.include(gets[0]!.replaceAll(' ', ''))
      // on a small one the error is there before how to join and what came earlier
      expect(unwrapped(picture({ ...state, messages: ['before', error] }, 80, 18)))
        .to.include(error)
        .and.not.to.include('before')
      const setup = [{ name: 'mesh', done: false, text: `0 of 6 ${'have all the others as peers, '.repeat(4)}and are waiting` }]
      expect(unwrapped(picture({ setup }, 80, 24))).to.include('and are waiting')
    })
    it('says how a node stands by what it has, in whatever order that came', () => {
      const [listens, hasTask] = [true, true]
      expect(stateOf({ listens: false, hasTask: false, peers: 0 })).to.equal('starting')
      expect(stateOf({ listens, hasTask: false, peers: 0 })).to.equal('listening')
      // peers before the code: not meshed yet; and the code after them takes nothing back
      expect(stateOf({ listens, hasTask: false, peers: 3 })).to.equal('listening')
      expect(stateOf({ listens, hasTask, peers: 3 })).to.equal('meshed')
      expect(stateOf({ listens, hasTask, peers: 0 })).to.equal('working')
    })
    it('shows what is being set up until there is a mesh, and then what the nodes lack', () => {
      const setup = [
        { name: 'K2', done: true, text: 'http://127.0.0.1:8899' },
        { name: 'stakes', done: false, text: '1 of 2 are on K2' }
      ]
      const early = plain(picture({ setup }, 120))
      expect(early).to.match(/setting up\n {2}✔ K2 {6}http:\/\/127\.0\.0\.1:8899\n {2}… stakes {2}1 of 2 are on K2/)
      const late = plain(picture({ ...state, setup }, 120))
      expect(late)
        .to.include('… stakes  1 of 2 are on K2')
        .and.to.match(/node-1 .*working/)
        .and.to.include('message 8')
      expect(late).not.to.match(/slot 15 of 30/)
    })
    it('is one line for each change where there is no terminal, and nothing before there are nodes', () => {
      const written: string[] = []
      const view = createView({ isTTY: false, write: (text: string) => written.push(text) } as unknown as NodeJS.WriteStream)
      const setup = [
        { name: 'K2', done: true, text: 'runs' },
        { name: 'nodes', done: false, text: '1 of 2 listen' }
      ]
      view.show({ setup })
      view.show({ ...state, setup })
      view.show({ ...state, setup })
      view.show({ ...state, messages: [] })
      view.show({ ...state, messages: ['one', 'two\u001b[2J', 'three'] })
      expect(written).to.deep.equal([
        'task k2-index TASK: params {}\n',
        'setting up, nodes: 1 of 2 listen\n',
        'cycle 1, audits: 1 of 3 finalized\n',
        // what comes between two pictures is told all the same
        'one\n',
        'two\\x1b[2J\n',
        'cycle 1, audits: 1 of 3 finalized - three\n'
      ])
    })
    it('is drawn anew when the terminal has another size', () => {
      const written: string[] = []
      const screen = Object.assign(new EventEmitter(), {
        ...{ isTTY: true, columns: 200, rows: 50, write: (text: string) => written.push(text) > 0 }
      })
      const view = createView(screen as unknown as NodeJS.WriteStream, { TERM: 'xterm', LC_ALL: 'C.UTF-8' })
      view.show(state)
      written.length = 0
      Object.assign(screen, { columns: 60, rows: 20 })
      screen.emit('resize')
      // nothing of the old picture, which the terminal has wrapped by itself, is left or reckoned with
      const all = written.join('')
      const clear = all.indexOf('\u001b[2J\u001b[H')
      expect(clear).to.be.at.least(0)
      const lines = stripVTControlCharacters(all.slice(clear)).trimEnd().split('\n')
      expect(lines[0]).to.match(/^koii-mesh testnet/)
      expect(Math.max(...lines.map(widthOf))).to.be.at.most(60)
      expect(lines.length).to.be.below(20)
      view.done()
      expect(screen.listenerCount('resize')).to.equal(0)
    })
    it('draws any state: before the start, past the end, narrow, without end', () => {
      for (const change of [{ at: -5, cycle: -1 }, { at: 99 }, { roundSlots: 0, at: 0 }, { rows: [] }, { wanted: null }]) {
        for (const columns of [20, 80, 300]) {
          const text = plain(picture({ ...state, ...change }, columns))
          expect(text).not.to.match(/NaN|undefined|-\d+ of/)
        }
      }
      expect(plain(picture({ ...state, wanted: null }, 80))).to.match(/1 finalized/)
    })
  })
})
