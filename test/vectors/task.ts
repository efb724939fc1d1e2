import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { expect } from 'chai'
import { checkDistribution, type DistributionEntry, type DistributionInput, defaultDistribution } from '../../src/tasks/index.ts'
import { makeRunner, source } from '../tasks/support.ts'

type Pairs = Array<[staker: string, amount: string]>

const pairs = (list: DistributionEntry[]): Pairs => list.map(({ staker, amount }) => [staker, amount.toString()])

/** protocols/task: what a bundle without `distribution` pays, which lists are refused, what the interpreter's randomness is. */
export async function walk(file: string): Promise<void> {
  const vector = JSON.parse(readFileSync(file, 'utf8'))
  const kind = basename(file).split('-')[0]
  if (kind === 'default') {
    const { input, list } = vector as { input: DistributionInput; list: Pairs }
    expect(pairs(checkDistribution(defaultDistribution(input), input))).to.deep.equal(list)
  } else if (kind === 'list') {
    const { input, given, list } = vector as { input: DistributionInput; given: unknown; list: Pairs | null }
    if (list == null) {
      expect(() => checkDistribution(given, input))
        .to.throw()
        .with.property('name', 'DistributionError')
    } else {
      expect(pairs(checkDistribution(given, input))).to.deep.equal(list)
    }
  } else if (kind === 'interpreter') {
    await interpreter(vector)
  } else {
    throw new Error(`no rule for ${file}`)
  }
}

async function interpreter({ seed, about: _, ...expected }: { seed: string; about: string }): Promise<void> {
  const { runner, logged } = await makeRunner({
    bundle: source(`
      export const manifest = { name: 'vector', version: '1' }
      export function task () {}
      export function submission () { return null }
      export function audit () { return true }
      export function distribution () {
        const random = [Math.random(), Math.random(), Math.random()]
        const uuid = crypto.randomUUID()
        const bytes = Array.from(crypto.getRandomValues(new Uint8Array(40)), (byte) => byte.toString(16).padStart(2, '0')).join('')
        throw new Error(JSON.stringify({ random, uuid, bytes }))
      }
    `)
  })
  const outcome = await runner.distribution({ taskId: 't', cycle: 1, bounty: '0', seed, submissions: [], rejected: [], stakes: [] })
  await runner.stop()
  // what it threw is told, and nothing that it logged
  expect(logged.map(({ source: from }) => from)).to.deep.equal(['error'])
  expect(JSON.parse((outcome as { detail: string }).detail.replace(/^Error: /, ''))).to.deep.equal(expected)
}
