/** The table of attacks against the tests that it names. */
import { expect } from 'chai'
import { ATTACKS } from '../sim/attacks.ts'
import { gainOf } from '../sim/gains.ts'
import { codes, read, tableAfter } from './documents.ts'

const text = read('docs/attacks.md')
const percent = (share: number) => `${Number(share.toFixed(2))} %`

describe('documents: attacks', () => {
  it('has a row for each attack of the simulation, with the stake that it is made with, and no others', () => {
    const rows = tableAfter(text, 'Every variant that the simulation runs')
    expect(rows.map(([name]) => codes(name!)[0])).to.have.members(ATTACKS.map(({ name }) => name))
    for (const [name, stake] of rows) {
      const { nodes } = ATTACKS.find((attack) => attack.name === codes(name!)[0])!.world(1)
      const sum = (some: typeof nodes) => some.reduce((total, one) => total + Number(one.stake), 0)
      const share = (100 * sum(nodes.filter(({ faulty }) => faulty))) / sum(nodes)
      expect(stake, name).to.equal(percent(share))
    }
  })

  it('says what each brings now, as it comes out of those that run in a moment', async () => {
    const said = new Map(tableAfter(text, 'Every variant that the simulation runs').map((cells) => [codes(cells[0]!)[0], cells[4]!]))
    for (const attack of ATTACKS.filter(({ seeds = 1, cycles }) => seeds === 1 && cycles <= 3)) {
      const { faulty, bad, finalized, cycles } = await gainOf(attack)
      expect(finalized, attack.name).to.equal(cycles)
      expect(said.get(attack.name), attack.name).to.equal(percent(faulty))
      expect(bad, attack.name).to.equal(0)
    }
  }).timeout(60_000)

  it('names tests that exist, in the files that it names', () => {
    const named = text.split('\n').flatMap((line) => {
      const files = [...line.matchAll(/`(test\/[\w./-]+)`((?:(?: and the others there)?,? ?"[^"]+")*)/g)]
      return files.flatMap(([, file, titles]) => [...titles!.matchAll(/"([^"]+)"/g)].map(([, title]) => ({ file: file!, title: title! })))
    })
    const attacked = tableAfter(text, 'What attackers found in the new rules').flatMap((cells) =>
      [...cells.at(-1)!.matchAll(/"([^"]+)"/g)].map(([, title]) => ({ file: 'test/rounds/attacked.spec.ts', title: title! }))
    )
    expect(named.length).to.be.greaterThan(15)
    expect(attacked.length).to.be.at.least(7)
    const missing = [...named, ...attacked].filter(({ file, title }) => !read(file).includes(title))
    expect(missing).to.deep.equal([])
  })
})
