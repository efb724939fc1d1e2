import { expect } from 'chai'
import { createMadeBook, createTaskProofs, QuotaExceededError } from '../../../src/proofs/index.ts'
import { bytesOf, failure, Lab } from '../../proofs/fixtures.ts'

const TASK = 'Task'
const MIB = 1024 * 1024

describe('cases: a task that makes proofs without end', () => {
  const lab = new Lab()
  afterEach(() => lab.end())
  const options = { signal: new AbortController().signal }

  const world = async (limits: { bytes?: number; blocks?: number; roots?: number }) => {
    const alice = await lab.node({ memory: true })
    let cycle = 5
    const make = () =>
      createTaskProofs(alice.proofs, {
        keep: () => ({ task: TASK, cycle }),
        book: createMadeBook({
          limits: { bytes: Number.POSITIVE_INFINITY, blocks: Number.POSITIVE_INFINITY, roots: Number.POSITIVE_INFINITY, ...limits },
          pins: () => alice.proofs.pins(TASK),
          liveFrom: () => cycle - 2
        })
      })
    return { alice, make, tasks: make(), nextCycle: (count = 1) => void (cycle += count) }
  }
  /** @returns what was made before it was refused */
  const untilRefused = async (put: (at: number) => Promise<unknown>): Promise<number> => {
    for (let at = 0; at < 1000; at++) {
      try {
        await put(at)
      } catch (err) {
        expect(err).to.be.instanceOf(QuotaExceededError)
        expect((err as Error).name).to.equal('QuotaExceededError')
        return at
      }
    }
    throw new Error('nothing stops it')
  }

  it('may make so many bytes in cycles that are not over, whatever it puts at a time', async function () {
    this.timeout(60_000)
    const { alice, tasks, make, nextCycle } = await world({ bytes: 4 * MIB })
    const put = (at: number) => tasks.putFiles([{ path: 'f', content: bytesOf(MIB, at) }], options)
    // the same again is no more
    await put(0)
    await put(0)
    expect(await untilRefused(put)).to.equal(3)
    // nothing of what was refused is on the disk
    const stored = async () => (await alice.proofs.pins(TASK)).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
    expect(await stored()).to.be.within(3 * MIB, 4 * MIB)
    // many at once neither
    nextCycle(3)
    const outcomes = await Promise.allSettled(Array.from({ length: 12 }, (_, at) => put(100 + at)))
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).to.have.length(3)
    // and a process that begins anew knows what was made before
    const again = make()
    expect(await failure(again.putFiles([{ path: 'f', content: bytesOf(MIB, 999) }], options))).to.be.instanceOf(QuotaExceededError)
    nextCycle(2)
    expect(await failure(again.putFiles([{ path: 'f', content: bytesOf(MIB, 999) }], options))).to.be.instanceOf(QuotaExceededError)
    nextCycle()
    await again.putFiles([{ path: 'f', content: bytesOf(MIB, 999) }], options)
  })

  it('may make so many blocks, in files or by the node', async () => {
    const { tasks } = await world({ blocks: 100 })
    const files = Array.from({ length: 30 }, (_, at) => ({ path: `f${at}`, content: bytesOf(8, at) }))
    await tasks.putFiles(files, options)
    expect(
      await failure(tasks.putFiles(files.concat(files.map(({ path, content }) => ({ path: `g${path}`, content }))), options))
    ).to.be.instanceOf(QuotaExceededError)
    expect(await untilRefused((at) => tasks.putNode({ at }, options))).to.be.within(50, 75)
  })

  it('may make so many roots, each a pin', async () => {
    const { tasks } = await world({ roots: 20 })
    expect(await untilRefused((at) => tasks.putNode({ at }, options))).to.equal(20)
    await tasks.putNode({ at: 3 }, options).catch((err) => expect(err).to.be.instanceOf(QuotaExceededError))
  })
})
