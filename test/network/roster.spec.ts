import { expect } from 'chai'
import { createRoster, type PeerChange, type Peers } from '../../src/network/index.ts'

/** Peers of a task, as a test wants them. */
function task(staker = 'staker') {
  const [admitted, claimed, banned] = [new Set<string>(), new Set<string>(), new Set<string>()]
  const cuts: string[] = []
  const listeners = new Set<(change: PeerChange) => void>()
  let stake: boolean | undefined = false
  const tell = (peerId: string, admit: boolean) => {
    admit ? admitted.add(peerId) : admitted.delete(peerId)
    for (const listener of listeners) {
      listener({ peerId, staker, admitted: admit })
    }
  }
  const peers = {
    isStaked: (id) => admitted.has(id),
    isClaimed: (id) => claimed.has(id),
    isBanned: (id) => banned.has(id),
    hasStake: () => stake,
    stakerOf: (id) => (admitted.has(id) || banned.has(id) ? staker : undefined),
    bindingOf: (of) => (of === staker ? ({ staker, confirmed: admitted.size > 0 } as never) : undefined),
    staked: () => [...admitted].map((peerId) => ({ peerId, staker })),
    cut: (id) => void cuts.push(id),
    onChange(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    }
  } as Partial<Peers> as Peers
  return {
    ...{ peers, claimed, cuts, listeners },
    knows: (value: boolean | undefined) => {
      stake = value
    },
    admit: (id: string) => tell(id, true),
    drop: (id: string) => tell(id, false),
    ban(id: string) {
      banned.add(id)
      tell(id, false)
    }
  }
}

function setUp() {
  const clock = { ms: 0 }
  const roster = createRoster({ now: () => clock.ms })
  const [a, b] = [task('in a'), task('in b')]
  const remove = [a, b].map(({ peers }) => roster.add(peers))
  const changes: string[] = []
  roster.onChange(({ peerId, staker, admitted }) => changes.push(`${admitted ? '+' : '-'}${peerId} ${staker}`))
  return { roster, a, b, remove, changes, clock }
}

describe('network: roster', () => {
  it('tells of a peer that is let into its first task, and out of its last', () => {
    const { roster, a, b, changes } = setUp()
    a.admit('bob')
    b.admit('bob')
    expect(changes).to.deep.equal(['+bob in a'])
    expect([roster.isStakedBeside(a.peers, 'bob'), roster.isStakedBeside(b.peers, 'carol')]).to.deep.equal([true, false])
    a.drop('bob')
    expect([changes.length, roster.isStaked('bob'), roster.isStakedBeside(b.peers, 'bob')]).to.deep.equal([1, true, false])
    b.drop('bob')
    expect([changes, roster.isStaked('bob')]).to.deep.equal([['+bob in a', '-bob in b'], false])
  })

  it('takes those along who are in a task that comes, and lets them go with it', () => {
    const { roster, a, remove, changes } = setUp()
    const c = task('in c')
    c.admit('carol')
    c.admit('bob')
    a.admit('bob')
    const removeIt = roster.add(c.peers)
    expect([changes, roster.size()]).to.deep.equal([['+bob in a', '+carol in c'], 3])
    removeIt()
    remove[0]!()
    expect(changes.slice(2)).to.deep.equal(['-carol in c', '-bob in a'])
    expect([c.listeners.size, a.listeners.size, roster.size()]).to.deep.equal([0, 0, 1])
  })

  it('bans who is banned in a task and welcome in no other', () => {
    const { roster, a, b } = setUp()
    const banned = () => roster.isBanned('bob')
    a.ban('bob')
    expect(banned()).to.equal(true)
    b.claimed.add('bob')
    expect(banned()).to.equal(false)
    b.admit('bob')
    expect(banned()).to.equal(false)
    b.ban('bob')
    expect(banned()).to.equal(true)
  })

  it('cuts in every task, and keeps out of one that comes while it lasts', () => {
    const { roster, a, b, clock } = setUp()
    roster.cut('bob', 'a flood')
    expect([a.cuts, b.cuts]).to.deep.equal([['bob'], ['bob']])
    const c = task()
    c.claimed.add('bob')
    roster.add(c.peers)
    expect(roster.isBanned('bob')).to.equal(true)
    clock.ms = 31_000
    expect(roster.isBanned('bob')).to.equal(false)
  })

  it('knows stake where a task does, and says no only where all do', () => {
    const { roster, a, b } = setUp()
    const all = [
      [false, false, false],
      [false, undefined, undefined],
      [undefined, true, true]
    ]
    for (const [ofA, ofB, says] of all) {
      a.knows(ofA)
      b.knows(ofB)
      expect(roster.hasStake('anybody')).to.equal(says)
    }
    b.admit('bob')
    b.claimed.add('carol')
    expect([roster.stakerOf('bob'), roster.stakerOf('carol'), roster.isClaimed('carol')]).to.deep.equal(['in b', undefined, true])
    a.ban('bob')
    expect(roster.stakerOf('bob'), 'of the task that has let it in').to.equal('in b')
    expect([roster.bindingOf('in b')?.confirmed, roster.bindingOf('in a')?.confirmed, roster.bindingOf('nobody')]).to.deep.equal([
      true,
      false,
      undefined
    ])
  })
})
