/** What the specs of this folder share: they run a scenario in a lab of its own, and read what came out. */
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { enterLab, type LabRun, whyNoLab } from './enter.ts'

/** As on K2. They wait for the nodes where a machine is too slow for that. */
const SLOT_MS = 400
/** A run that takes so many times its time hangs, however busy the machine is. */
const PATIENCE = 10
/** What a failed run has left is kept here, for whoever looks into it. */
const KEPT = process.env.KOII_MESH_LAB_DIR ?? join(tmpdir(), 'koii-mesh-lab-failed')

interface Run {
  dir: string
  lab: LabRun
  outcome: Promise<unknown>
}

/** Of this process: suites that look at the same scenario share its run. */
const runs = new Map<string, Run>()
process.once('exit', () => {
  for (const { dir } of runs.values()) {
    rmSync(dir, { recursive: true, force: true })
  }
})

/**
 * Runs a scenario before the suite's tests, or skips the suite where there can be no lab. What it wrote (each node's log and
 * events, and the story) goes with this process; a copy stays after a failure, and where is said.
 *
 * @param name - of the file in `scenarios`
 * @param slots - how long it takes, about: a run that takes much longer hangs
 * @returns what the scenario wrote to `outcome.json`
 */
export function scenarioOfSuite<Outcome>(name: string, slots: number, ...more: string[]): () => Outcome {
  let outcome: Outcome | undefined
  let wentWrong = false

  before(async function () {
    this.timeout(PATIENCE * slots * SLOT_MS)
    const reason = whyNoLab()
    if (reason != null) {
      console.log(`    skipped: ${reason}`)
      return this.skip()
    }
    wentWrong = true
    let run = runs.get(name)
    if (run == null) {
      run = begin(name, more)
      runs.set(name, run)
    }
    outcome = (await run.outcome) as Outcome
    wentWrong = false
  })

  afterEach(function () {
    wentWrong ||= this.currentTest?.state === 'failed'
  })

  after(async () => {
    const run = runs.get(name)
    await run?.lab.end()
    if (wentWrong && run != null) {
      const kept = `${KEPT}-${name}`
      rmSync(kept, { recursive: true, force: true })
      cpSync(run.dir, kept, { recursive: true })
      console.error(`    what happened is told by ${join(kept, 'story.txt')}; events.jsonl and each node's log are beside it`)
    }
  })

  return () => {
    if (outcome === undefined) {
      throw new Error('the scenario has not run')
    }
    return outcome
  }
}

function begin(name: string, more: string[]): Run {
  const dir = mkdtempSync(join(tmpdir(), 'koii-mesh-lab-'))
  const lab = enterLab(join('scenarios', `${name}.ts`), [dir, String(SLOT_MS), ...more])
  const outcome = lab.ended.then(({ code, output }) => {
    if (code !== 0) {
      throw new Error(`the lab ended with ${code}:\n${output.split('\n').slice(-40).join('\n')}`)
    }
    return JSON.parse(readFileSync(join(dir, 'outcome.json'), 'utf8'))
  })
  // whoever waits for it is told
  outcome.catch(() => {})
  return { dir, lab, outcome }
}
