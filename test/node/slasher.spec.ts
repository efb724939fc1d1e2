import { expect } from 'chai'
import { pino } from 'pino'
import { rankOf } from '../../src/k2/index.ts'
import { REFUSALS, type StakeAccount } from '../../src/k2/settlement/index.ts'
import { createSlasher, type Slasher } from '../../src/node/slasher.ts'
import type { Logger } from '../../src/observe/index.ts'
import type { Ledger } from '../../src/record/index.ts'

const KOII = 1_000_000_000n
const log = pino({ level: 'silent' })

/** A K2 that takes at most `most` of what is lost for each finalized cycle, and nodes that act on it by turns. */
function world({ nodes, balance = KOII, most = KOII }: { nodes: string[]; balance?: bigint; most?: bigint }) {
  const applied = new Map<string, bigint>()
  const appliedIn = new Map<string, number>()
  const tries: Array<{ node: string; staker: string; slot: number }> = []
  let refused = 0
  let cycle = 0
  let slot = 0
  let dead = new Set<string>()
  const stakers = [...nodes, 'mallory', 'trudy', 'dust', 'gone']
  const account = (staker: string) =>
    ({
      staker,
      stakingKey: staker,
      appliedSlash: applied.get(staker) ?? 0n,
      amount: [{ value: staker === 'gone' ? 0n : 10n * KOII, from: 0 }],
      unstaking: 0n
    }) as unknown as StakeAccount
  const slashers = new Map<string, Slasher>(
    nodes.map((node) => [
      node,
      createSlasher({
        k2: {
          stakes: async () => stakers.map(account),
          stake: async (_task, staker) => account(staker),
          balance: async () => balance
        },
        task: 'task',
        self: node,
        payer: node,
        stakers: () => nodes,
        async apply(staker, ledger) {
          tries.push({ node, staker, slot })
          const owed = ledger.get(staker)!.slash - (applied.get(staker) ?? 0n)
          if (owed <= 0n || appliedIn.get(staker) === cycle) {
            refused++
            throw new REFUSALS.NothingToSlashError()
          }
          const amount = owed < most ? owed : most
          applied.set(staker, (applied.get(staker) ?? 0n) + amount)
          appliedIn.set(staker, cycle)
          return { amount, signature: 'signature' }
        },
        log
      })
    ])
  )
  return {
    applied,
    tries,
    refused: () => refused,
    kill: (...names: string[]) => {
      dead = new Set(names)
    },
    async finalize(ledger: Ledger, to = cycle + 1) {
      cycle = to
      await Promise.all([...slashers].filter(([node]) => !dead.has(node)).map(([, slasher]) => slasher.finalized(cycle, ledger, slot)))
    },
    async pass(slots: number) {
      for (let i = 0; i < slots; i++) {
        slot++
        for (const [node, slasher] of slashers) {
          if (!dead.has(node)) {
            slasher.onSlot(slot)
          }
        }
        await new Promise((resolve) => setImmediate(resolve))
      }
    }
  }
}
const ledgerOf = (slashes: Record<string, bigint>): Ledger =>
  new Map(Object.entries(slashes).map(([staker, slash]) => [staker, { reward: 0n, slash }]))
const NODES = ['alice', 'bob', 'carol', 'dave', 'erin']

describe('node: slashes are applied', () => {
  it('once each, by one node, and not what is worth no fee or not there', async () => {
    const w = world({ nodes: NODES })
    await w.finalize(ledgerOf({ mallory: KOII, trudy: KOII / 2n, dust: 4000n, gone: KOII }))
    await w.pass(40)
    expect(w.tries.map(({ staker }) => staker).sort()).to.deep.equal(['mallory', 'trudy'])
    expect(new Set(w.tries.map(({ node }) => node)).size).to.equal(1)
    expect(w.refused()).to.equal(0)
    // the same ledger again, and the next one that says the same, cost nothing
    await w.finalize(ledgerOf({ mallory: KOII, trudy: KOII / 2n }))
    await w.pass(40)
    expect(w.tries).to.have.length(2)
  })

  it('by the next in turn where the first is away, and turns change with the cycle', async () => {
    const w = world({ nodes: NODES })
    w.kill(NODES.toSorted((a, b) => rankOf('slash/1', a, NODES) - rankOf('slash/1', b, NODES))[0]!)
    await w.finalize(ledgerOf({ mallory: KOII }))
    await w.pass(40)
    expect(w.tries.map(({ staker }) => staker)).to.deep.equal(['mallory'])
    const first = (cycle: number) => NODES.find((node) => rankOf(`slash/${cycle}`, node, NODES) === 0)
    expect(new Set(Array.from({ length: 20 }, (_, cycle) => first(cycle))).size).to.be.above(1)
  })

  it('bit by bit where K2 takes no more for one cycle: one try a cycle, none in vain', async () => {
    const w = world({ nodes: NODES, most: KOII })
    for (let cycle = 1; cycle <= 3; cycle++) {
      await w.finalize(ledgerOf({ mallory: (5n * KOII) / 2n }))
      await w.pass(40)
      expect(w.tries).to.have.length(cycle)
    }
    expect(w.applied.get('mallory')).to.equal((5n * KOII) / 2n)
    expect(w.refused()).to.equal(0)
  })

  it('at most eight a node and cycle, by none that would have nothing left for its votes', async () => {
    const many = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`m${i}`, KOII]))
    const poor = world({ nodes: NODES, balance: 400_000n })
    await poor.finalize(ledgerOf({ mallory: KOII }))
    await poor.pass(40)
    expect(poor.tries).to.deep.equal([])

    const slashed = Object.keys(many)
    const sent: string[] = []
    const slasher = createSlasher({
      k2: {
        stakes: async () =>
          slashed.map(
            (staker) => ({ staker, appliedSlash: 0n, amount: [{ value: KOII, from: 0 }], unstaking: 0n }) as unknown as StakeAccount
          ),
        stake: async (_task, staker) => ({ staker, appliedSlash: 0n }) as unknown as StakeAccount,
        balance: async () => KOII
      },
      task: 'task',
      self: 'alice',
      payer: 'alice',
      stakers: () => ['alice'],
      apply: async (staker) => {
        sent.push(staker)
        return { amount: 1n, signature: 'signature' }
      },
      log
    })
    await slasher.finalized(1, ledgerOf(many), 0)
    slasher.onSlot(2)
    expect(sent).to.deep.equal([])
    slasher.onSlot(3)
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(sent).to.have.length(8)
    await slasher.stop()
  })

  it('is no news where another was faster, whatever K2 calls it; another refusal is', async () => {
    const levels: string[] = []
    const told = { debug: () => levels.push('debug'), warn: () => levels.push('warn') } as unknown as Logger
    for (const name of ['NothingToSlashError', 'SlashLimitError', 'BadProofError', 'WrongStakeAddressError'] as const) {
      const slasher = createSlasher({
        k2: {
          stakes: async () => [
            { staker: 'm', appliedSlash: 0n, amount: [{ value: KOII, from: 0 }], unstaking: 0n } as unknown as StakeAccount
          ],
          stake: async () => ({ staker: 'm', appliedSlash: 0n }) as unknown as StakeAccount,
          balance: async () => KOII
        },
        ...{ task: 'task', self: 'alice', payer: 'alice', stakers: () => ['alice'], log: told },
        apply: () => Promise.reject(new REFUSALS[name]())
      })
      await slasher.finalized(1, ledgerOf({ m: KOII }), 0)
      slasher.onSlot(3)
      await new Promise((resolve) => setTimeout(resolve, 20))
      await slasher.stop()
    }
    expect(levels).to.deep.equal(['debug', 'debug', 'debug', 'warn'])
  })

  it('is dropped for a ledger that K2 has left behind', async () => {
    const w = world({ nodes: NODES })
    await w.finalize(ledgerOf({ mallory: KOII }), 5)
    await w.finalize(ledgerOf({}), 6)
    await w.pass(40)
    expect(w.tries).to.deep.equal([])
    await w.finalize(ledgerOf({ mallory: KOII }), 5)
    await w.pass(40)
    expect(w.tries).to.deep.equal([])
  })
})
