import { expect } from 'chai'
import { CID } from 'multiformats/cid'
import { createLeftovers } from '../../src/node/host/leftovers.ts'
import type { Pin } from '../../src/proofs/pins.ts'
import { openStore, type Store } from '../../src/store/index.ts'
import { tempDir } from '../e2e/cli.ts'
import { BUNDLE } from '../k2/chain.ts'
import { silent } from '../k2/waits.ts'

const TASK = '1'.repeat(32)
const ROUND = 100

describe('node: the proofs of a task that was left', () => {
  let dir: { dir: string; remove(): Promise<void> }
  let store: Store
  let here: Set<string>
  let pins: Array<Pick<Pin, 'task' | 'cycle' | 'cid'>>
  beforeEach(async () => {
    dir = await tempDir()
    store = openStore({ dir: dir.dir })
    here = new Set()
    pins = [TASK, `bundles-${TASK}`, 'another'].map((task) => ({ task, cycle: 1, cid: CID.parse(BUNDLE) }))
  })
  afterEach(async () => {
    store.close()
    await dir.remove()
  })
  const leftovers = () =>
    createLeftovers({
      store,
      proofs: {
        pins: async (task) => pins.filter((pin) => pin.task === task) as Pin[],
        unpin: async (_cid, { task, cycle }) => {
          pins = pins.filter((pin) => pin.task !== task || pin.cycle !== cycle)
        },
        collect: async () => ({ unpinned: [], blocks: 0, pinnedBytes: 0, overQuota: false, missing: [] })
      },
      isHere: (task) => here.has(task),
      log: silent
    })

  it('are served for five rounds, over a restart, and then go', async () => {
    await leftovers().left(TASK, 1000, ROUND)
    await leftovers().look(1000 + 5 * ROUND - 1)
    expect(pins).to.have.length(3)
    await leftovers().look(1000 + 5 * ROUND)
    expect(pins.map(({ task }) => task)).to.deep.equal(['another'])
  })

  it('are served from the first slot that is known, where none was when the task was left', async () => {
    await leftovers().left(TASK, undefined, ROUND)
    await leftovers().look(1000)
    await leftovers().look(1000 + 5 * ROUND - 1)
    expect(pins).to.have.length(3)
    await leftovers().look(1000 + 5 * ROUND)
    expect(pins.map(({ task }) => task)).to.deep.equal(['another'])
  })

  it('stay while the node has the task, however it came back', async () => {
    await leftovers().left(TASK, 1000, ROUND)
    here.add(TASK)
    await leftovers().look(1000 + 50 * ROUND)
    expect(pins).to.have.length(3)
    await leftovers().back(TASK)
    here.clear()
    await leftovers().look(1000 + 50 * ROUND)
    expect(pins).to.have.length(3)
  })
})
