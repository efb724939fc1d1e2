import { expect } from 'chai'
import { bundleOf } from '../../src/k2/settlement/index.ts'
import { createTaskVersions, type TaskVersion } from '../../src/node/task-versions.ts'

const at = (cid: string, from: number, former?: [cid: string, from: number]) => ({
  bundle: { cid, from },
  formerBundle: former == null ? undefined : { cid: former[0], from: former[1] }
})
const settled = () => new Promise((done) => setImmediate(done))

/** Versions whose bundles come when the test says so. */
function setUp() {
  const asked: Array<{
    cid: string
    others: string[]
    signal: AbortSignal
    come: () => void
    fail: (err: Error) => void
    absent: () => void
  }> = []
  const log: string[] = []
  const versions = createTaskVersions({
    make: (cid, others, signal, onAbsent) =>
      new Promise((resolve, reject) => {
        const runner = { stop: async () => void log.push(`stopped ${cid}`) }
        asked.push({
          cid,
          others,
          signal,
          come: () => resolve({ runner, host: { cid } } as unknown as TaskVersion),
          fail: reject,
          absent: onAbsent
        })
      }),
    drop: async (cid) => void log.push(`dropped ${cid}`),
    onReady: (cid) => log.push(`ready ${cid}`),
    onFailed: (cid, reason) => log.push(`failed ${cid}: ${(reason as Error).message}`)
  })
  const runs = (cycle: number) => (versions.of(cycle)?.host as unknown as { cid: string } | undefined)?.cid
  return { versions, asked, log, runs }
}

describe('node: the versions of a task', () => {
  it('each cycle has the bundle that counts for it', () => {
    const changed = at('new', 7, ['old', 0])
    expect([0, 6, 7, 8].map((cycle) => bundleOf(changed, cycle).cid)).to.deep.equal(['old', 'old', 'new', 'new'])
    expect(bundleOf(at('only', 3), 0).cid).to.equal('only')
  })

  it('a new bundle is fetched as soon as K2 names it, and runs from its cycle on; the old one as long as a cycle needs it', async () => {
    const { versions, asked, log, runs } = setUp()
    versions.follow(at('old', 0), 4)
    versions.follow(at('old', 0), 5)
    expect(asked.map(({ cid }) => cid)).to.deep.equal(['old'])
    expect(runs(5)).to.equal(undefined)
    expect(versions.list()).to.deep.equal([{ cid: 'old', from: 0, state: 'fetching' }])
    asked[0]!.come()
    await settled()
    versions.follow(at('new', 6, ['old', 0]), 5)
    expect(asked.map(({ cid, others }) => [cid, others])).to.deep.equal([
      ['old', []],
      ['new', ['old']]
    ])
    expect([runs(5), runs(6)]).to.deep.equal(['old', undefined])
    asked[1]!.come()
    await settled()
    expect([5, 6, 7].map(runs)).to.deep.equal(['old', 'new', 'new'])
    versions.follow(at('new', 6, ['old', 0]), 7)
    expect(log).to.deep.equal(['ready old', 'ready new'])
    // cycle 5 was distributed in round 7
    versions.follow(at('new', 6, ['old', 0]), 8)
    await settled()
    expect(log).to.deep.equal(['ready old', 'ready new', 'stopped old'])
    await versions.stop()
    expect(log.at(-1)).to.equal('stopped new')
  })

  it('whoever starts waits for what is on the disk, and not for what a peer must bring, nor for ever', async () => {
    for (const [how, ends] of [
      ['come', true],
      ['absent', true],
      ['fail', true],
      ['nothing', false]
    ] as const) {
      const { versions, asked } = setUp()
      versions.follow(at('new', 6, ['old', 0]), 5)
      let isAtHand = false
      const waiting = versions.atHand(ends ? 60_000 : 50).then(() => {
        isAtHand = true
      })
      asked[0]!.come()
      await settled()
      expect(isAtHand, how).to.equal(false)
      if (how === 'come' || how === 'absent') {
        asked[1]![how]()
      } else if (how === 'fail') {
        asked[1]!.fail(new Error('none'))
      }
      await waiting
      await versions.stop()
    }
  })

  it('with a long notice it is fetched at the news and waits; one that takes its place before it runs ends it', async () => {
    const { versions, asked, log, runs } = setUp()
    versions.follow(at('old', 0), 4)
    asked[0]!.come()
    versions.follow(at('new', 12, ['old', 0]), 4)
    asked[1]!.come()
    await settled()
    for (const cycle of [5, 8, 11]) {
      versions.follow(at('new', 12, ['old', 0]), cycle)
      expect([cycle - 2, cycle, 12].map(runs)).to.deep.equal(['old', 'old', 'new'])
    }
    // the manager thinks again, twice: the first is ended where it runs, the second where it is fetched
    versions.follow(at('newer', 19, ['old', 0]), 11)
    expect([11, 12, 18].map(runs)).to.deep.equal(['old', 'old', 'old'])
    await settled()
    expect(log).to.deep.equal(['ready old', 'ready new', 'stopped new', 'dropped new'])
    versions.follow(at('newest', 19, ['old', 0]), 11)
    expect(asked.map(({ signal }) => signal.aborted)).to.deep.equal([false, true, true, false])
    asked[2]!.fail(new Error('aborted'))
    await settled()
    expect(log.slice(4)).to.deep.equal(['dropped newer', 'dropped newer'])
    asked[3]!.come()
    await settled()
    // to keep the one that runs is a change, too: it needs no second process
    versions.follow(at('old', 19, ['old', 0]), 11)
    await settled()
    expect(log.slice(6)).to.deep.equal(['ready newest', 'stopped newest', 'dropped newest'])
    expect([11, 19].map(runs)).to.deep.equal(['old', 'old'])
    versions.follow(at('old', 19, ['old', 0]), 22)
    expect(runs(22)).to.equal('old')
    expect(asked).to.have.length(4)
  })

  it('an endpoint that is behind brings nothing back, and a node that starts late fetches what it needs', async () => {
    const { versions, asked } = setUp()
    versions.follow(at('new', 6, ['old', 0]), 7)
    expect(asked.map(({ cid }) => cid)).to.have.members(['new', 'old'])
    versions.follow(at('old', 0), 7)
    expect(versions.list().map(({ cid }) => cid)).to.deep.equal(['new', 'old'])
    const late = setUp()
    late.versions.follow(at('new', 6, ['old', 0]), 9)
    expect(late.asked.map(({ cid }) => cid)).to.deep.equal(['new'])
  })

  it('one that cannot run is told, and what comes after the end is ended', async () => {
    const { versions, asked, log } = setUp()
    versions.follow(at('new', 6, ['old', 0]), 6)
    asked.find(({ cid }) => cid === 'new')!.fail(new Error('no bundle'))
    await settled()
    expect(log).to.deep.equal(['failed new: no bundle'])
    expect(versions.list().map(({ state }) => state)).to.deep.equal(['failed', 'fetching'])
    await versions.stop()
    asked.find(({ cid }) => cid === 'old')!.come()
    await settled()
    expect(log.at(-1)).to.equal('stopped old')
  })
})
