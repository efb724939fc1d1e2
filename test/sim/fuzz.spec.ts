import { type ChildProcess, fork } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import fc from 'fast-check'
import { planArbitrary } from './arbitrary.ts'
import { addTo, type Batch, type FuzzResult, nothing, replayOf, summaryOf } from './fuzz.ts'
import { CYCLES, meshFrom } from './meshes.ts'
import { report, runWorld } from './run.ts'

/** How many seeds of each size: 5,000, which are 10,000 rounds. `npm run sim:long` takes more. */
const SEEDS = { 4: 2_000, 7: 1_500, 10: 1_150, 19: 350 } as const
/** Other seeds than those of every run. */
const SHIFT = Number(process.env.KOII_MESH_SIM_SHIFT ?? 0)
/** For a quick look: one of so many seeds. */
const PART = Number(process.env.KOII_MESH_SIM_PART ?? 1)
const BATCH = 50

/** Runs batches in processes of their own, and stops at the first that breaks a promise. */
async function runAll(batches: Batch[], onResult: (result: FuzzResult) => void): Promise<void> {
  const waiting = [...batches]
  const children: ChildProcess[] = []
  const work = () =>
    new Promise<void>((resolve, reject) => {
      const child = fork(join(import.meta.dirname, 'fuzz.ts'))
      children.push(child)
      const next = () => {
        const batch = waiting.shift()
        if (batch == null) {
          child.disconnect()
        } else {
          child.send(batch)
        }
      }
      child.on('message', (result: FuzzResult) => {
        onResult(result)
        if (result.firstReport != null) {
          waiting.length = 0
        }
        next()
      })
      child.on('error', reject)
      child.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`the process of the simulation ended with ${code}`))))
      next()
    })
  try {
    await Promise.all(Array.from({ length: Math.max(2, Math.min(4, availableParallelism())) }, work))
  } finally {
    for (const child of children) {
      child.kill()
    }
  }
}

describe('sim: an arbitrary adversary with less than a third of the stake', () => {
  it('breaks no promise, over 10,000 rounds', async () => {
    const batches = Object.entries(SEEDS).flatMap(([size, seeds]) => {
      const count = Math.ceil(seeds / PART)
      return Array.from({ length: Math.ceil(count / BATCH) }, (_, i) => ({
        from: 1 + SHIFT + i * BATCH,
        count: Math.min(BATCH, count - i * BATCH),
        size: Number(size)
      }))
    })
    // the long ones first, so that the processes end together
    batches.sort((a, b) => b.size - a.size)
    const total = batches.reduce((sum, { count }) => sum + count, 0)
    const sum = nothing()
    let told = 0
    await runAll(batches, (result) => {
      addTo(sum, result)
      if (sum.seeds >= told + total / 10) {
        told = sum.seeds
        console.log(`      ${sum.seeds} of ${total} seeds`)
      }
    })
    expect(sum.byBreach, sum.firstReport ?? '').to.deep.equal({})
    expect(sum.firstReport).to.equal(null)
    expect(sum.seeds).to.equal(total)
    console.log(`      ${summaryOf(sum)}`)
  }).timeout(30 * 60_000)

  it('breaks no promise with four nodes, whatever fast-check thinks of; a failure shrinks to a few actions', async () => {
    await fc.assert(
      fc.asyncProperty(planArbitrary({ cycles: CYCLES, maxActions: 12 }), fc.integer({ min: 8, max: 40 }), async (plan, auditWindow) => {
        const outcome = await runWorld(meshFrom({ seed: 4 + SHIFT, size: 4, auditWindow, plan }), CYCLES)
        expect(outcome.breaches, report(outcome, 'this test')).to.deep.equal([])
      }),
      { numRuns: Math.ceil(300 / PART), seed: 1 + SHIFT }
    )
  }).timeout(5 * 60_000)

  it('says how to run a seed again', () => {
    expect(replayOf(17, { size: 7 })).to.equal('node scripts/run.mjs test/sim/fuzz.ts --seed 17 --size 7')
  })
})
