import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect } from 'chai'

/** Makes 1.2 GiB of buffers that nobody keeps, beside a heap as large as a small program's, and counts collections of the whole heap. */
const SCRIPT = `
  import { PerformanceObserver, constants } from 'node:perf_hooks'
  const kept = Array.from({ length: 100_000 }, (_, i) => ({ i, list: [i, i, i] }))
  let whole = 0
  new PerformanceObserver((list) => {
    for (const { detail } of list.getEntries()) if (detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR) whole++
  }).observe({ entryTypes: ['gc'] })
  for (let i = 0; i < 20_000; i++) {
    Buffer.allocUnsafeSlow(65_536).fill(1)
    if (i % 20 === 0) await new Promise(setImmediate)
  }
  await new Promise((resolve) => setTimeout(resolve, 50))
  console.log(whole, kept.length)
`

/** Keeps what it makes for long enough for the young generation to grow, where it may, and tells its size in MiB. */
const YOUNG = `
  import { getHeapSpaceStatistics } from 'node:v8'
  let kept = []
  for (let i = 0; i < 3_000_000; i++) {
    kept.push({ i })
    if (kept.length > 200_000) kept = []
  }
  console.log(getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space').space_size / 2 ** 20)
`

describe('CLI: the engine', () => {
  it('keeps the young generation of a node small, and of no other command', async () => {
    const engine = join(import.meta.dirname, '..', '..', 'src', 'cli', 'engine.ts')
    const sizeOf = async (command: string) => {
      const args = ['--import', engine, '--input-type=module', '-e', YOUNG, '--', 'koii-mesh', command]
      const { stdout, stderr } = await promisify(execFile)(process.execPath, args)
      expect(stderr).to.equal('')
      return Number(stdout)
    }
    expect(await sizeOf('start')).to.be.at.most(4)
    expect(await sizeOf('testnet')).to.be.at.least(8)
  })

  it('is started so that buffers cost fewer collections, and knows how', async () => {
    const engine = join(import.meta.dirname, '..', '..', 'src', 'cli', 'engine.ts')
    const run = async (...imports: string[]) => {
      const { stdout, stderr } = await promisify(execFile)(process.execPath, [...imports, '--input-type=module', '-e', SCRIPT])
      expect(stderr).to.equal('')
      return Number(stdout.split(' ')[0])
    }
    // on a machine that does much else, when V8 collects says little of what it was told: the best of some pairs
    let best = Number.POSITIVE_INFINITY
    for (let pair = 0; pair < 10 && best > 0.75; pair++) {
      const [before, now] = [await run(), await run('--import', engine)]
      expect(before).to.be.greaterThan(5)
      best = Math.min(best, now / before)
    }
    expect(best).to.be.at.most(0.75)
  })
})
