import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { sampleSubmissions } from '../../src/audit/index.ts'

export interface SamplingVector {
  description: string
  candidates: string[]
  self: string | null
  count: number
  /** What the random source gives, one after the other. */
  random: number[]
  chosen: string[]
}

export function walk(file: string): void {
  const { candidates, self, count, random, chosen } = JSON.parse(readFileSync(file, 'utf8')) as SamplingVector
  let drawn = 0
  const sample = sampleSubmissions({ candidates, self, count, random: () => random[drawn++]! })
  expect(sample).to.deep.equal(chosen)
  expect(drawn, 'random numbers used').to.equal(random.length)
}
