import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { clang, isCaught, type Outcome, patches, plantAll } from './mutations/run.ts'

describe('settlement: planted bugs', function () {
  this.timeout(30 * 60_000)

  it('each has its row in the table', () => {
    const table = readFileSync(join(import.meta.dirname, 'mutations', 'README.md'), 'utf8')
    expect(patches().length).to.be.at.least(10)
    for (const patch of patches()) {
      expect(table).to.include(`| ${patch.replace('.patch', '')} `)
    }
  })

  it('each turns a test red', async function () {
    const compiler = clang()
    if (compiler == null) {
      this.skip()
    }
    const outcomes = await plantAll(compiler!, patches(), { quick: true })
    const unnoticed = outcomes.filter((outcome: Outcome) => !isCaught(outcome))
    expect(unnoticed.map(({ patch, problem }) => `${patch}: ${problem ?? 'nobody noticed'}`)).to.deep.equal([])
  })
})
