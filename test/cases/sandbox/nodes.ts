import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import type { DistributionEntry, Outcome } from '../../../src/tasks/index.ts'
import { makeRunner, source } from '../../tasks/support.ts'

const input = {
  taskId: 'task',
  cycle: 7,
  seed: 'ab'.repeat(32),
  bounty: '3000',
  submissions: ['alice', 'bob', 'carol'].map((staker) => ({ staker, value: '', stake: '10' })),
  rejected: [],
  stakes: ['alice', 'bob', 'carol'].map((staker) => ({ staker, stake: '10' }))
}

const HEAD = `
export const manifest = { name: 'd', version: '1.0.0' }
export async function task() {}
export async function submission() { return null }
export async function audit() { return true }
const say = (o) => { throw new Error(JSON.stringify(o, (k, v) => typeof v === 'bigint' ? String(v) : v).slice(0, 480)) }
`

/** What a bundle's distribution comes to on two nodes whose data directories differ, twice on each; the same, or this throws. */
export async function onTwoNodes(code: string): Promise<Outcome<DistributionEntry[]>> {
  const bases = [0, 1].map((i) => realpathSync(mkdtempSync(join(tmpdir(), `case${i}-`))))
  const outcomes: Array<Outcome<DistributionEntry[]>> = []
  for (const [i, base] of bases.entries()) {
    const folder = i === 0 ? base : join(base, 'another', 'place', 'y'.repeat(100))
    mkdirSync(folder, { recursive: true })
    const { runner } = await makeRunner({ bundle: source(HEAD + code), folder })
    outcomes.push(await runner.distribution(input), await runner.distribution(input))
    await runner.stop()
    rmSync(base, { recursive: true, force: true })
  }
  for (const outcome of outcomes) {
    expect(outcome).to.deep.equal(outcomes[0])
    expect(JSON.stringify(outcome, (_, value) => (typeof value === 'bigint' ? String(value) : value))).not.to.match(/case\d-|\/tmp|another/)
  }
  return outcomes[0]!
}
