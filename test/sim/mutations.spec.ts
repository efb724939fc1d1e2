import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { isCaught, patches, plant, plantAll, slice } from './mutations/run.ts'

describe('sim: planted bugs', function () {
  this.timeout(20 * 60_000)

  it('each has its row in the table, and its first line names its tests', () => {
    const table = readFileSync(join(import.meta.dirname, 'mutations', 'README.md'), 'utf8')
    expect(patches().length).to.be.at.least(18)
    for (const patch of patches()) {
      expect(table).to.include(`| ${patch.replace('.patch', '')} |`)
      expect(slice(patch).spec).to.match(/\.spec\.ts$/)
    }
  })

  it('the copy without a bug is green', async () => {
    const { red, problem } = await plant(null, { spec: 'edges.spec.ts', pattern: 'sim' })
    expect({ red, problem }).to.deep.equal({ red: undefined, problem: undefined })
  })

  it('each turns a test red', async () => {
    const outcomes = await plantAll(patches())
    const unnoticed = outcomes.filter((outcome) => !isCaught(outcome))
    expect(unnoticed.map(({ patch, problem }) => `${patch}: ${problem ?? 'nobody noticed'}`)).to.deep.equal([])
  })
})
