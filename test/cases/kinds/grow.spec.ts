/** Strangers of every kind come and go: a while later, a snapshot of the heap names next to none of them, wherever they were kept. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect } from 'chai'

const STRANGERS = 90
/** kad-dht remembers the 20 nearest peers that it ever met. */
const REMEMBERED = 20

describe('case: what strangers leave behind', function () {
  this.timeout(240_000)

  it('is nothing', async () => {
    const args = ['test/network/left-behind.ts', String(STRANGERS), String(REMEMBERED)]
    const { stdout } = await promisify(execFile)(process.execPath, args)
    const { came, named, maps } = JSON.parse(stdout.trim().split('\n').at(-1)!) as {
      came: number
      named: number
      maps: Record<string, number>
    }
    expect(came).to.equal(STRANGERS)
    expect(named).to.be.at.most(REMEMBERED)
    expect(Object.keys(maps).length).to.be.above(5)
    for (const [name, size] of Object.entries(maps)) {
      expect(size, name).to.be.below(4)
    }
  })
})
