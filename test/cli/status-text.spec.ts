/** What `status` shows of a node with one task, and with several. */
import { expect } from 'chai'
import { type StatusTextInit, statusLines } from '../../src/cli/status-text.ts'
import { formerStatusSchema } from '../../src/control/former.ts'
import type { Status, TaskStatus } from '../../src/control/schemas.ts'
import { shownText, widthOf, wrapped } from '../../src/observe/shown-text.ts'
import { failedTask, OTHER_TASK, STATUS, TASK, taskStatus } from '../control/fake-node.ts'
import { controlOfSuite } from '../control/suite.ts'
import { ACTS, runOnTerminal } from '../e2e/terminal.ts'

const COLUMNS = 80
const PROOF = 'bafyreicqq7yq5gux4jxlhvaxi22wo72kuxozbuj3n2itsf5s52nbe3kqv4'
const CYCLES: Status['cycles'] = [
  { cycle: 3, entry: { proofs: [PROOF] } },
  { cycle: 2, entry: { outcome: 'accepted', paid: '2000000000', total: '4000000000', voted: 'aa' } },
  { cycle: 1, entry: { outcome: 'no submission', missed: 'the task took longer than it had', paid: '0', total: '2000000000' } }
]
const K2: Status['k2'] = [
  { name: 'http://127.0.0.1:8899', state: 'good', slot: 320, lagSlots: 0, latencyMs: 1, requests: 1, failures: 0, contradictions: 0 }
]
const base: Status = { ...STATUS, k2: K2, cycles: CYCLES, notices: ['the disk is full', 'the key is old'] }
const nth = (i: number) => `${i}`.repeat(32)

/** As it is on a terminal. */
const shown = (status: Status, init: StatusTextInit = {}) =>
  statusLines(status, { columns: COLUMNS, ...init })
    .map((line) => (typeof line === 'string' ? wrapped(shownText(line, 4000), COLUMNS) : line.lines))
    .join('\n')

/** Lines are no wider than the terminal, but for a command or an address that is to be copied whole. */
function expectFits(text: string): void {
  for (const line of text.split('\n')) {
    const widest = Math.max(...line.trim().split(' ').map(widthOf))
    expect(line.includes('koii-mesh ') ? COLUMNS : widthOf(line), line).to.be.at.most(Math.max(COLUMNS, widest + 8))
  }
}

describe('CLI: status in words', () => {
  const several = (...tasks: TaskStatus[]): Status => ({ ...base, tasks })
  const blocks = (text: string) => text.split('\n\n')

  it('of a node with one task are as ever, and of a node of before, too', () => {
    const text = shown(several(taskStatus({ notices: ['the key is old'] })))
    expectFits(text)
    expect(shown({ ...base, tasks: [] })).to.equal(text)
    const { tasks: _, ...former } = base
    expect(shown(formerStatusSchema.parse(former))).to.equal(text)
    expect(text).to.equal(
      `node    n
task    count ${TASK}
stake   0.000000012 KOII
time    slot 320, cycle 3, last finalized 1
k2      http://127.0.0.1:8899 answers, slot 320
peers   0 staked, 0 in the mesh, 0 connected
memory  0 MiB
NOTICE  the disk is full
NOTICE  the key is old
┌───────┬──────────────────────────────────────────┬───────┬────────┬────────┐
│ cycle │ submission                               │ vote  │ paid   │ in all │
├───────┼──────────────────────────────────────────┼───────┼────────┼────────┤
│ 3     │ submitted                                │ -     │ -      │ -      │
│ 2     │ accepted                                 │ on K2 │ 2 KOII │ 4 KOII │
│ 1     │ missed: the task took longer than it had │ -     │ 0 KOII │ 2 KOII │
└───────┴──────────────────────────────────────────┴───────┴────────┴────────┘
proof   of cycle 3: ${PROOF}`
    )
  })

  it('of two tasks: the node once, then each', () => {
    const text = shown(
      several(
        taskStatus({ cycles: CYCLES, notices: ['the key is old'] }),
        taskStatus({ task: OTHER_TASK, taskName: 'archive', staked: false, peers: { staked: 7, mesh: 5 } })
      ),
      { dataDir: '/data' }
    )
    expectFits(text)
    const [node, first, second, ...none] = blocks(text)
    expect(none).to.deep.equal([])
    expect(node).to.equal(
      `node    n
tasks   2
time    slot 320
k2      http://127.0.0.1:8899 answers, slot 320
peers   0 connected
memory  0 MiB
NOTICE  the disk is full`
    )
    expect(first)
      .to.match(
        new RegExp(`^task    count ${TASK}\nstake   0\\.000000012 KOII\ntime    cycle 3, last finalized 1\npeers   2 staked, 1 in the mesh`)
      )
      .and.match(/^NOTICE {2}the key is old$/m)
      .and.match(/^│ 2 +│ accepted/m)
    expect(second)
      .to.match(new RegExp(`^task    archive ${OTHER_TASK}\nstake   none:\n        koii-mesh stake [^\n]*--task ${OTHER_TASK}`))
      .and.match(/^peers {3}7 staked, 5 in the mesh$/m)
      .and.match(/^No cycle has been settled yet\.$/m)
  })

  it('of five tasks, one of which failed, with keys of their own', () => {
    const text = shown(
      several(
        taskStatus({ cycles: CYCLES }),
        taskStatus({ task: nth(2), node: 'second', signer: '/run/signer.sock', keyFile: null }),
        failedTask(nth(3), `the staking key /keys/c.json cannot be read: ${'no such file '.repeat(12)}`),
        taskStatus({ task: nth(4), taskName: null, state: 'starting', staked: null, cycle: null, peers: null, records: null }),
        taskStatus({ task: nth(5), state: 'stopping', bundles: [{ cid: PROOF, from: 9, state: 'failed' }], cycles: CYCLES })
      ),
      { dataDir: '/data' }
    )
    expectFits(text)
    const [node, first, second, failed, starting, stopping] = blocks(text)
    expect(blocks(text)).to.have.length(6)
    expect(node).to.match(/^peer id 12D3\ntasks {3}5, of which 1 cannot go on$/m)
    expect(first).to.match(/^key {5}n$/m)
    expect(second)
      .to.match(/^key {5}second$/m)
      .and.match(/^signer {2}\/run\/signer\.sock$/m)
    expect(failed)
      .to.match(new RegExp(`^task    ${nth(3)}, cannot go on\nreason  the staking key /keys/c.json cannot be read: no such`))
      .and.match(new RegExp(`koii-mesh task remove ${nth(3)} --data-dir /data`))
      .and.not.match(/null|undefined|NaN|unknown|settled|KOII/)
    expect(starting)
      .to.match(new RegExp(`^task    ${nth(4)}, is being started$`, 'm'))
      .and.match(/^stake {3}not known yet/m)
      .and.not.match(/null|undefined|NaN/)
    expect(stopping)
      .to.match(/is being left$/m)
      .and.match(/cannot run: see the log/)
  })

  it('of a node whose only task failed say so', () => {
    expect(shown(several(failedTask(TASK, 'no such file')))).to.match(/cannot go on\nreason {2}no such file\n/)
  })

  describe('on a terminal', function () {
    this.timeout(120_000)
    const suite = controlOfSuite()

    it('fit it, and text of others only shows', async () => {
      const evil = 'a\x1b[2J\u202eb\nNOTICE  pay'
      suite().node.shown = several(
        taskStatus({ taskName: evil }),
        taskStatus({ task: nth(2), taskName: evil, notices: [evil] }),
        failedTask(nth(3), evil),
        taskStatus({ task: nth(4), taskName: '東京'.repeat(10), cycles: CYCLES }),
        taskStatus({ task: nth(5), cycles: [{ cycle: 1, entry: { missed: evil.repeat(20) } }] })
      )
      const { code, output } = await runOnTerminal(['status', '--data-dir', suite().dir], { columns: COLUMNS })
      expect(code, output).to.equal(0)
      expect(ACTS.test(output), output).to.equal(false)
      expectFits(output)
      // all of them that are known have one key
      expect(output)
        .to.match(/^node {4}n\ntasks {3}5, of which 1/)
        .and.to.include('task    a\\x1b[2J\\u202eb\\nNOTICE  pay\n')
        .and.not.match(/^NOTICE {2}pay/m)
    })
  })
})
