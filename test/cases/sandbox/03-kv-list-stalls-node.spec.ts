import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { openStore, QuotaExceededError } from '../../../src/store/index.ts'
import { answer } from '../../../src/tasks/services.ts'
import { memoryProofs, seededK2 } from '../../tasks/support.ts'

// the turns that the node's loop is shared by are in test/tasks/turns.spec.ts
describe('cases: many keys, and lists of one', () => {
  let dir: string
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'koii-mesh-keys-'))
  })
  afterEach(() => rm(dir, { recursive: true }))

  it('reads no more keys than are asked for, and charges the quota for each', async function () {
    this.timeout(60_000)
    const store = openStore({ dir })
    const space = store.keyValue('task/one', 2 * 1024 * 1024)
    const none = new Uint8Array()
    let count = 0
    let error: unknown
    while (error == null) {
      await space.put((count++).toString(36).padStart(4, '0'), none).catch((err) => {
        error = err
      })
    }
    expect(error).to.be.instanceOf(QuotaExceededError)
    // 4 bytes of key and none of value were half a million keys
    expect(count).to.be.lessThan(17_000)

    const asked: unknown[] = []
    const task = {
      ...space,
      list: (prefix?: string, range?: { after?: string; limit?: number }) => {
        asked.push(range)
        return space.list(prefix, range)
      }
    }
    const services = { store: task, proofs: memoryProofs(), k2: seededK2('k2', () => 1) }
    const list = async (args: object) =>
      (await answer(services, services.proofs, true, { method: 'kv.list', args, body: none, signal: new AbortController().signal })).value
    expect(await list({ prefix: '', after: '', limit: 1 })).to.deep.equal(['0000'])
    expect(await list({ prefix: '00', after: '0003', limit: 2 })).to.deep.equal(['0004', '0005'])
    expect(asked).to.deep.equal([
      { after: '', limit: 1 },
      { after: '0003', limit: 2 }
    ])
    store.close()
  })
})
