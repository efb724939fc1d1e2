import { expect } from 'chai'
import { benchLoad } from '../../scripts/bench/load.ts'
import { BenchError, type Result } from '../../scripts/bench/result.ts'

describe('bench: load', function () {
  this.timeout(60_000)

  it('sends, confirms both ways, kills and starts again, and gives every figure', async () => {
    const said: string[] = []
    const transactions = 240
    const results = await benchLoad({ progress: (text) => said.push(text), transactions, perSecond: 120, subscribers: 10, slotMs: 100 })
    const find = (name: RegExp) => results.find((result) => name.test(result.name)) as Result
    expect(find(/sent and confirmed/)).to.include({ bound: 'at least', transactions })
    expect(find(/sent and confirmed/).value)
      .to.be.greaterThan(0)
      .and.at.most(125)
    expect(find(/confirmation/).note).to.match(/by WebSocket \d+, by asking .* \d+ ms/)
    expect(find(/pace/).value).to.be.greaterThan(0)
    expect(find(/disk/).value).to.be.greaterThan(0)
    expect(find(/kill -9/).value).to.be.greaterThan(0)
    expect(results.every(({ bench }) => bench === 'load')).to.equal(true)
    expect(said.at(-1)).to.equal(`load: ${transactions} confirmed`)
  })

  it('gives no figure of a load that fails', async () => {
    // an amount that its sender does not have
    let failure: unknown
    await benchLoad({ progress: () => {}, transactions: 40, perSecond: 200, subscribers: 0, slotMs: 100, lamports: 10n ** 15n }).catch(
      (err) => {
        failure = err
      }
    )
    expect(failure).to.be.instanceOf(BenchError)
    expect((failure as Error).message).to.match(/sendTransaction answered/)
  })
})
