import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { expect } from 'chai'
import { canonicalParams, typedParams } from '../../src/config/index.ts'
import { filesOf, paramsCid } from '../../src/node/params.ts'
import { cidOfFiles } from '../../src/proofs/index.ts'
import { checkDistribution, type DistributionEntry, type DistributionInput, defaultDistribution } from '../../src/tasks/index.ts'
import { makeRunner, source } from '../tasks/support.ts'

type Pairs = Array<[staker: string, amount: string]>

const pairs = (list: DistributionEntry[]): Pairs => list.map(({ staker, amount }) => [staker, amount.toString()])

/** protocols/task: what a bundle without `distribution` pays, which lists are refused, what the interpreter's randomness is, what parameters are. */
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
  } else if (kind === 'params') {
    await params(vector)
  } else if (kind === 'interpreter') {
    await interpreter(vector)
  } else {
    throw new Error(`no rule for ${file}`)
  }
}

type Bad = { refused: Array<{ what: string; bytes: string }>; taken: string }
type Good = Record<'typed' | 'text' | 'cid' | 'code' | 'bundle', string>

async function params(vector: Bad | Good): Promise<void> {
  if ('refused' in vector) {
    for (const { what, bytes } of vector.refused) {
      expect(() => canonicalParams(Buffer.from(bytes, 'hex')), what)
        .to.throw()
        .with.property('name', 'ParamsError')
    }
    canonicalParams(Buffer.from(vector.taken, 'hex'))
    return
  }
  const read = typedParams(vector.typed)
  expect(read.text).to.equal(vector.text)
  expect(canonicalParams(Buffer.from(vector.text))).to.deep.equal(read)
  expect(await paramsCid(read)).to.equal(vector.cid)
  expect((await cidOfFiles(filesOf(Buffer.from(vector.code), read))).toString()).to.equal(vector.bundle)
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
