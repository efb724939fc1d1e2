/** A run of several tasks: which is which in what nodes tell, in what K2 takes, in what is shown and in what is summed up. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TransactionInstruction } from '@solana/web3.js'
import { expect } from 'chai'
import { taskNames, testnetTasks } from '../../src/cli/testnet-tasks.ts'
import { generateKeyPair } from '../../src/identity/index.ts'
import { stakeAddress, vote, voteBatch } from '../../src/k2/settlement/index.ts'
import type { LocalTransaction } from '../../src/local-k2/index.ts'
import type { NodeEvent } from '../../src/observe/index.ts'
import { widthOf } from '../../src/observe/shown-text.ts'
import type { RunFacts } from '../../src/testnet/facts.ts'
import { createFinishes } from '../../src/testnet/finish.ts'
import { checkInvariants, type Invariant, linesOfSeveral } from '../../src/testnet/invariants.ts'
import { countersOf, newMember } from '../../src/testnet/member.ts'
import { createMemberEvents } from '../../src/testnet/member-events.ts'
import { createNews } from '../../src/testnet/news.ts'
import { taskFlags } from '../../src/testnet/node-settings.ts'
import { summarize } from '../../src/testnet/summary.ts'
import type { ChosenTask } from '../../src/testnet/task.ts'
import { createTaskRun, labelsOf, type TaskRun } from '../../src/testnet/task-run.ts'
import { createTransactionLog } from '../../src/testnet/transactions.ts'
import { createView, type NodeRow, picture, type ViewState } from '../../src/testnet/view.ts'
import { tempDir } from '../e2e/cli.ts'

const timing = { startingSlot: 100, roundSlots: 30, submissionWindow: 12, auditWindow: 12 }
const members = [newMember(0, null), newMember(1, 'no-proof')]
const [A, B] = [generateKeyPair().address, generateKeyPair().address]

function chosen(name: string, more: Partial<ChosenTask> = {}): ChosenTask {
  return { path: `${name}.mjs`, params: null, bundle: 'CID', manifest: { name } as ChosenTask['manifest'], gets: [], ...more }
}
const runs = (...names: string[]): TaskRun[] =>
  names.map((name, at) =>
    createTaskRun({ task: [A, B][at]!, label: names.length === 1 ? null : name, chosen: chosen(name), timing, members })
  )

describe('testnet: several tasks', () => {
  it('are called by their names, and with numbers where these are the same', () => {
    expect(labelsOf(['a', 'b'])).to.deep.equal(['a', 'b'])
    expect(labelsOf(['a', 'b', 'a'])).to.deep.equal(['a 1', 'b', 'a 2'])
    expect(labelsOf(['a', 'a 1', 'a'])).to.deep.equal(['a 2', 'a 1', 'a 3'])
  })

  describe('what nodes tell', () => {
    const told = (all: TaskRun[], ...events: object[]) => {
      const news = createNews({ onEvent: () => {}, slot: () => 0 })
      const hear = createMemberEvents({ members, runs: all, news, onListening: () => {}, onProgress: () => {} })
      for (const event of events) {
        hear(members[0]!, { cycle: null, node: members[0]!.pair.address, ...event } as NodeEvent)
      }
      return { seats: all.map(({ seats }) => seats[0]!), messages: news.messages }
    }
    const settled = (task?: string | null) => ({
      event: 'settled',
      cycle: 3,
      record: 'R',
      total: '7',
      ...(task === undefined ? {} : { task })
    })

    it('is about the task that it names, and about no other', () => {
      const { seats } = told(runs('a', 'b'), settled(B))
      expect(seats.map(({ records, row }) => [...records.values(), row.rewards])).to.deep.equal([[0n], ['R', 7n]])
    })
    it('is about none of several where it names none, or one of somebody else', () => {
      for (const task of [undefined, null, generateKeyPair().address]) {
        expect(told(runs('a', 'b'), settled(task)).seats.map(({ records }) => records.size)).to.deep.equal([0, 0])
      }
    })
    it('is about the only one where it names none', () => {
      for (const task of [undefined, null, A]) {
        expect(told(runs('a'), settled(task)).seats[0]!.records.get(3)).to.equal('R')
      }
      expect(told(runs('a'), settled(B)).seats[0]!.records.size).to.equal(0)
    })
    it('has the name of its task in the news, where there are several', () => {
      const missed = { event: 'missed', task: B, stage: 'work', reason: 'late', cycle: 1 }
      expect(told(runs('a', 'b'), missed).messages).to.deep.equal(['b: node-1 missed cycle 1: late'])
      expect(told(runs('a'), { ...missed, task: A }).messages).to.deep.equal(['node-1 missed cycle 1: late'])
    })
    it('leaves the other tasks of a node alone when it gives one up', () => {
      const { seats, messages } = told(
        runs('a', 'b'),
        { event: 'listening', multiaddrs: ['/ip4/127.0.0.1/tcp/1'] },
        { event: 'task', task: A },
        { event: 'task', task: B },
        { event: 'peer', staked: 1, task: A },
        { event: 'task-stopped', reason: 'its log is gone', task: B }
      )
      expect(seats.map(({ row, ended }) => [row.state, ended])).to.deep.equal([
        ['meshed', null],
        ['no task', 'gave the task up: its log is gone']
      ])
      expect(messages).to.deep.equal(['b: node-1 gave the task up: its log is gone'])
    })
    it('counts gossip by task and proofs once, and believes the node about all of it', () => {
      const stats = (delivered: number, fetched: number) => ({
        gossip: { delivered, duplicates: 1, signatureChecks: 2 },
        proofs: { fetched, bytes: 9 }
      })
      const of = (...all: Array<[string | null, ReturnType<typeof stats>]>) => countersOf({ stats: new Map(all) })
      expect(of()).to.equal(null)
      expect(of([A, stats(3, 5)], [B, stats(4, 6)])).to.deep.equal({
        gossip: { delivered: 7, duplicates: 2, signatureChecks: 4 },
        proofs: { fetched: 6, bytes: 9 }
      })
      expect(of([A, stats(3, 5)], [null, stats(8, 7)])).to.deep.equal(stats(8, 7))
      expect(of([null, stats(8, 7)], [A, stats(3, 5)])).to.deep.equal(stats(8, 7))
    })
  })

  it('end together: with the cycle by which each has as many as wanted', () => {
    const [a, b] = createFinishes(2, timing, 2)
    const at = (cycle: number) => ({ finalized: { cycle } })
    expect([a!.saw(at(0)), a!.saw(at(1)), b!.saw(at(1))]).to.deep.equal(['counts', 'counts', 'counts'])
    // `a` has two and `b` skipped one: there is no end yet
    expect([a!.endSlot(), b!.endSlot(), a!.saw(at(2))]).to.deep.equal([null, null, 'counts'])
    expect([b!.saw(at(3)), b!.lastCycle(), a!.lastCycle()]).to.deep.equal(['counts', 3, 3])
    // what the other had in the same round is part of the run, and no more
    expect([a!.saw(at(3)), a!.saw(at(4)), b!.saw(at(4))]).to.deep.equal(['counts', 'beyond', 'beyond'])
    expect([a!.count(), b!.count(), a!.endSlot()]).to.deep.equal([4, 2, 100 + 6 * 30])
    expect(b!.endSlot()).to.equal(a!.endSlot())
  })

  it('may have more cycles than wanted, and not fewer', () => {
    const record = (cycle: number) => ({
      ...{ cycle, cid: 'R', root: 'ff', recomputed: { ok: true as const }, accepted: [], rejected: [] },
      ...{ rewards: new Map(), totalRewards: 0n }
    })
    const broken = (cycles: number, orMore: boolean) => {
      const facts: RunFacts = {
        ...{ nodes: [], transactions: [], records: Array.from({ length: cycles }, (_, cycle) => record(cycle)) },
        ...{ startingSlot: 0, roundSlots: 30, openCycle: null, onK2: { cycle: 9, totalRewards: 0n }, slashes: null, pot: null },
        money: { genesis: 0n, now: 0n, fees: 0n }
      }
      return checkInvariants(facts, 2, { orMore }).flatMap((one) => one.broken ?? [])
    }
    expect([broken(2, true), broken(3, true), broken(3, false)]).to.deep.equal([[], [], ['3 of 2 cycles are finalized']])
    expect(broken(1, true)).to.deep.equal(['1 of 2 cycles are finalized'])
  })

  describe('how it came out', () => {
    const one = (name: string, more: Partial<Invariant> = {}): Invariant => ({ name, broken: null, unchecked: null, ...more })

    it('is a line for each invariant, and one more for each task that is an exception', () => {
      const tasks = [
        { name: 'a', invariants: [one('x'), one('y')] },
        { name: 'b', invariants: [one('x'), one('y', { broken: 'bad' })] },
        { name: 'c', invariants: [one('x', { unchecked: 'none' }), one('y')] }
      ]
      expect(linesOfSeveral(tasks.slice(0, 1), null)).to.deep.equal(['ok     x', 'ok     y'])
      expect(linesOfSeveral(tasks, null)).to.deep.equal([
        'ok     x: a, b',
        '-      x: c: not checked, as none',
        'ok     y: a, c',
        'BROKEN y: b: bad'
      ])
      expect(linesOfSeveral(tasks, 'it was stopped')).to.deep.equal(['BROKEN y: b: bad', 'nothing else was checked: it was stopped'])
    })

    const sum = (all: TaskRun[], invariants: Invariant[][]) =>
      summarize({
        tasks: all.map((run, at) => ({
          run,
          payout: { paid: new Map([['alice', BigInt(at + 1)]]), slashed: new Map(), complete: true },
          invariants: invariants[at]!
        })),
        isStopped: false,
        failure: null,
        members,
        transactions: [],
        startedMs: 0,
        slotMs: null
      })

    it('is summed up for each, and at the top as well for the only one', () => {
      const single = sum(runs('a'), [[one('x')]])
      expect(Object.keys(single).slice(0, 11)).to.deep.equal([
        'event',
        'ok',
        'reason',
        'unchecked',
        'nodes',
        'cycles',
        'finalized',
        'skipped',
        'records',
        'rewards',
        'paid'
      ])
      expect(single.paid).to.deep.equal({ alice: '1' })
      expect(single.tasks).to.have.length(1)
      expect(single.tasks[0]).to.include({ task: A, name: 'a', ok: true })

      const both = sum(runs('a', 'b'), [[one('x')], [one('x', { broken: 'bad' })]])
      expect(both).to.include({ ok: false, reason: 'b: x: bad' })
      expect(both).to.not.have.any.keys('paid', 'records', 'cycles')
      expect(both.tasks.map(({ ok, paid }) => [ok, paid])).to.deep.equal([
        [true, { alice: '1' }],
        [false, { alice: '2' }]
      ])
      expect(both.invariants.map(({ task }) => task)).to.deep.equal([A, B])
    })
    it('was not checked only where no task was', () => {
      const never = one('x', { unchecked: 'no cycle was finalized' })
      expect(sum(runs('a', 'b'), [[never], [one('x')]]).unchecked).to.equal(null)
      expect(sum(runs('a', 'b'), [[never], [never]]).unchecked).to.match(/before a cycle was finalized/)
    })
  })

  it('have their own votes on K2, of the same staker and cycle', () => {
    const staker = generateKeyPair().address
    const log = createTransactionLog({ strangers: new Set() })
    const content = { cycle: 4, totalRewards: 1n, root: new Uint8Array(32), recordDigest: new Uint8Array(32) }
    const landed = (...all: TransactionInstruction[]) => {
      const instructions = all.map(({ programId, keys, data }) => ({
        ...{ programId: programId.toBase58(), data: new Uint8Array(data), accounts: keys.map(({ pubkey }) => pubkey.toBase58()) }
      }))
      log.take({ slot: 1, signature: 's', feePayer: staker, bytes: 1, err: null, fee: 5n, instructions } as unknown as LocalTransaction)
      return log.transactions.at(-1)!.votes
    }
    expect(landed(vote({ ...content, task: A, stakingKey: staker }))).to.deep.equal([{ task: A, staker, cycle: 4 }])
    expect([log.hasNewVote(B), log.hasNewVote(A), log.hasNewVote(A)]).to.deep.equal([false, true, false])
    // a batch passes over what is in, in its own task alone
    const batch = (task: string) => {
      log.knows(stakeAddress({ task, staker }), { task, staker })
      return voteBatch({ ...content, task, votes: [{ staker, stakingKey: staker, signature: new Uint8Array(64) }] })
    }
    expect(landed(...batch(A))).to.deep.equal([])
    expect(landed(...batch(B))).to.deep.equal([{ task: B, staker, cycle: 4 }])
    expect(landed(...batch(B))).to.deep.equal([])
    expect(log.of(B).map(({ votes }) => votes.length)).to.deep.equal([0, 0, 1, 0])
    expect(log.of(A).map(({ votes }) => votes.length)).to.deep.equal([1, 0, 0, 0])
  })

  describe('in the settings of a node', () => {
    it('are a file of all of them, and flags where there is one', async () => {
      const { dir, remove } = await tempDir()
      try {
        const params = { value: { b: 1 }, text: '{"b":1}' }
        const [a, b] = runs('a', 'b')
        const both = [
          { ...a!, chosen: chosen('a', { params }) },
          { ...b!, chosen: chosen('b', { manifest: { name: 'b', network: true } as ChosenTask['manifest'] }) }
        ]
        const read = () => JSON.parse(readFileSync(join(dir, 'config.json'), 'utf8'))
        expect(await taskFlags(both, true, dir)).to.deep.equal(['--config', join(dir, 'config.json')])
        expect(read()).to.deep.equal({
          tasks: [
            { task: A, bundle: join(process.cwd(), 'a.mjs'), params: { b: 1 } },
            { task: B, allowNetwork: true, bundle: join(process.cwd(), 'b.mjs') }
          ]
        })
        // the others fetch bundle and params from their peers
        await taskFlags(both, false, dir)
        expect(read()).to.deep.equal({ tasks: [{ task: A }, { task: B, allowNetwork: true }] })
        const only = ['--task', A, '--bundle', join(process.cwd(), 'a.mjs'), '--params', '{"b":1}']
        expect(await taskFlags([both[0]!], true, dir)).to.deep.equal(only)
        expect(await taskFlags([both[0]!], false, dir)).to.deep.equal(['--task', A])
      } finally {
        await remove()
      }
    })
  })

  describe('on the command line', () => {
    const asked = (tasks: string[] | undefined, more: { typed?: string; config?: string; env?: NodeJS.ProcessEnv } = {}) =>
      testnetTasks({ task: 'k2-index', tasks, typed: more.typed, config: more.config, env: more.env ?? {} })

    it('are names with commas, or the option several times', () => {
      expect(taskNames('a,b', ['c'])).to.deep.equal(['c', 'a', 'b'])
      expect(asked(['a', 'b', 'a'])).to.deep.equal([{ task: 'a' }, { task: 'b' }, { task: 'a' }])
      expect(asked(undefined)).to.deep.equal([{ task: 'k2-index' }])
      expect(() => asked([])).to.throw(/names 0 tasks/)
      expect(() => asked(Array(33).fill('a'))).to.throw(/names 33 tasks: give 1 to 32/)
    })
    it('have params each of its own, in a file', async () => {
      const { dir, remove } = await tempDir()
      const { writeFileSync } = await import('node:fs')
      const file = join(dir, 'config.json')
      const written = (tasks: unknown, more: object = {}) => {
        writeFileSync(file, JSON.stringify({ tasks, ...more }))
        return () => asked(['a', 'b', 'a'], { config: file }).map(({ task, params }) => [task, params?.text])
      }
      try {
        const entries = [
          { task: 'a', params: { n: 1 } },
          { task: 'a', params: { n: 2 } }
        ]
        expect(written(entries)()).to.deep.equal([
          ['a', '{"n":1}'],
          ['b', undefined],
          ['a', '{"n":2}']
        ])
        expect(written([{ task: 'c' }])).to.throw(/has c, which --tasks does not/)
        expect(written({})).to.throw(/should be a list/)
        expect(written([null])).to.throw(/entry 1 has no "task"/)
        expect(written([{ task: 'a', params: 3 }])).to.throw(/"params" of a should be a JSON object/)
        expect(written([], { params: {} })).to.throw(/"params" in .* is given for 3 tasks: write/)
        expect(() => asked(['a', 'b'], { typed: '{}' })).to.throw(/--params is given for 2 tasks: write .*--config/)
        expect(() => asked(['a', 'b'], { env: { KOII_MESH_PARAMS: '{}' } })).to.throw(/KOII_MESH_PARAMS is given for 2 tasks/)
        // one is asked for as by --task
        expect(asked(['a'], { typed: '{"x":1}' })[0].params?.text).to.equal('{"x":1}')
      } finally {
        await remove()
      }
    })
  })

  describe('in the live view', () => {
    const row = (name: string, more: Partial<NodeRow> = {}): NodeRow => ({
      ...{ name, staker: 'AAAAbbbbccccDDDD', fault: null, state: 'meshed', peers: 4, work: 'cycle 12', submitted: 'cycle 11' },
      ...{ audits: 'cycle 11: unavailable', challenged: 'cycle 11: node-5', voted: 'cycle 10', rewards: 48_666_666_666n, ...more }
    })
    const names = ['node-1', 'node-2', 'node-3', 'node-4', 'node-5']
    const task = (at: number) => ({
      task: String(at).repeat(44).slice(0, 44),
      taskName: `site-archive ${at}`,
      gets: ['params {}'],
      finalized: at,
      rows: names.map((name) => row(name, name === 'node-5' ? { fault: 'late-challenge' } : {}))
    })
    const state = (tasks: number, more: Partial<ViewState> = {}): ViewState => ({
      ...task(1),
      beside: Array.from({ length: tasks - 1 }, (_, at) => task(at + 2)),
      ...{ setup: [], url: 'http://127.0.0.1:8899', slot: 145, cycle: 12, at: 15, roundSlots: 30, phase: 'audits', wanted: 30 },
      slotMs: { asked: 400, median: 412, longest: 2900, waitedFor: { name: 'node-2', ms: 3200 } },
      messages: Array.from({ length: 9 }, (_, i) => `message ${i}, ${'東京 and more '.repeat(9)}`),
      ...more
    })

    it('fit the terminal, and say what there is no room for', () => {
      for (const tasks of [2, 3, 5, 12, 32]) {
        for (const [columns, rows] of [
          ...[[80, 24] as const, [80, 12] as const, [60, 20] as const, [40, 10] as const, [120, 30] as const],
          ...[[200, 50] as const, [200, 24] as const]
        ]) {
          const text = picture(state(tasks), columns, rows)
          const lines = text.split('\n')
          const where = `${tasks} tasks on ${columns}x${rows}\n${text}`
          expect(lines.length, where).to.be.below(rows)
          for (const line of lines) {
            expect(widthOf(line), where).to.be.at.most(columns)
          }
          expect(lines[0], where).to.match(new RegExp(`^koii-mesh testnet {2}${tasks} tasks`))
          expect(lines.at(-1), where).to.equal('Ctrl+C stops everything.')
          const titles = lines.filter((line) => /^site-archive \d+ {2}\d+ of 30/.test(line)).length
          const more = Number(/^and (\d+) tasks? more, for which there/m.exec(text)?.[1] ?? 0)
          expect(titles + more, where).to.equal(tasks)
          if (!/^│ node +│ (staker|state)/m.test(text) && !/^and 5 nodes, for which/m.test(text)) {
            const heads = (/^│ node .*$/m.exec(text)![0].match(/site-archive/g) ?? []).length
            const narrow = Number(/^and (\d+) tasks? more, for which the terminal is too narrow/m.exec(text)?.[1] ?? 0)
            expect(heads + narrow, where).to.equal(tasks)
            const nodes = (text.match(/^│ node-\d/gm) ?? []).length
            expect(nodes + Number(/^and (\d+) nodes? more/m.exec(text)?.[1] ?? 0), where).to.equal(5)
          }
        }
      }
    })
    it('have three columns of five nodes on 80 by 24', () => {
      const text = picture(state(3), 80, 24)
      expect(text.match(/11 {2}10 {2}48\.6666/g)).to.have.length(15)
      expect(text)
        .to.include('message 8')
        .and.to.match(/site-archive 3 {2}3 of 30 finalized {2}3{20}/)
      expect(text)
        .to.match(/│ node-5 \* │/)
        .and.to.include('* misbehaves')
      expect(picture(state(2), 80, 24))
        .to.include('│ node-5 (late-challenge) │')
        .and.not.to.include('* misbehaves')
    })
    it('have a table each where there is room, and one is joined', () => {
      const text = picture(state(3), 200, 52)
      expect(text.match(/^│ node +│ staker/gm)).to.have.length(3)
      expect(text).to.match(/Join site-archive 1 from another terminal:\n.*--task 1{44} /)
      expect(picture(state(3, { isOver: true }), 200, 52)).to.match(/The run is over[^\n]*$/)
      expect(picture(state(3, { isOver: true }), 200, 52)).to.not.match(/Join|Ctrl/)
    })
    it('say how a node stands in each until it has handed something in', () => {
      const some = state(2)
      some.rows = [row('node-1', { submitted: '-', voted: '-', peers: 3 })]
      some.beside![0]!.rows = [row('node-1', { state: 'killed' })]
      expect(picture(some, 80, 16)).to.match(/│ node-1 │ meshed 3 +│ killed +│/)
    })
    it('take one line together while they are set up, once they are done', () => {
      const step = (name: string, done: boolean) => ({ name, done, text: `${'long '.repeat(30)}text of ${name}` })
      const setup = [...Array.from({ length: 12 }, (_, at) => step(`task ${at + 1}`, true)), step('mesh', false)]
      for (const text of [picture(state(12, { setup }), 80, 24), picture({ setup }, 80, 24)]) {
        expect(text.split('\n').length).to.be.below(24)
        expect(text)
          .to.match(/✔ task 1, task 2,.*\n? +.*task 12/)
          .and.to.include('text of mesh')
      }
    })
    it('are named in the lines of an output that is no terminal', () => {
      const written: string[] = []
      const view = createView({ isTTY: false, write: (text: string) => written.push(text) } as unknown as NodeJS.WriteStream)
      view.show(state(2, { messages: [] }))
      expect(written).to.deep.equal([
        `task site-archive 1 ${'1'.repeat(44)}: params {}\n`,
        `task site-archive 2 ${'2'.repeat(44)}: params {}\n`,
        'cycle 12, audits: site-archive 1 1 of 30 finalized, site-archive 2 2 of 30 finalized\n'
      ])
    })
  })
})
