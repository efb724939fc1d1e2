import { expect } from 'chai'
import { describeBundle } from '../../src/node/index.ts'
import { bundlePath } from '../../src/tasks/index.ts'
import { runTestnet, TestnetError, type TestnetEvent, type TestnetSummary } from '../../src/testnet/index.ts'

const UNKNOWN = 'bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi'

async function run(init: { task: string; from?: string[]; onEvent?: (event: TestnetEvent) => void }): Promise<TestnetSummary> {
  const stop = new AbortController()
  return runTestnet({
    nodes: 1,
    rounds: 1,
    slotMs: 400,
    roundSlots: 30,
    faults: [],
    settlementProgram: new URL('../../protocols/settlement/settlement.so', import.meta.url),
    signal: stop.signal,
    onView: () => {},
    ...init,
    onEvent: (event) => {
      init.onEvent?.(event)
      // far enough: the bundle is found, and the task made
      if (event.event === 'task') stop.abort()
    }
  })
}

describe('testnet: the task by its CID', () => {
  it('says what to do about one that it does not know', async () => {
    const error = await run({ task: UNKNOWN }).then(
      () => undefined,
      (err) => err
    )
    expect(error).to.be.instanceOf(TestnetError)
    expect(error.message).to.match(/not the CID of a built-in task.*--from/)
  })

  it('knows the built-in ones', async () => {
    const { cid } = await describeBundle(bundlePath('k2-index'))
    const events: TestnetEvent[] = []
    await run({ task: cid, onEvent: (event) => events.push(event) })
    expect(events.find(({ event }) => event === 'task')).to.include({ name: 'k2-index', bundle: cid })
  })
})
