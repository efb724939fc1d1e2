import { expect } from 'chai'
import type { WholeLog } from '../../src/identity/index.ts'
import { SignerAwayError } from '../../src/signer/errors.ts'
import { createCopy } from '../../src/signer/remote/copy.ts'

describe('signer: the copy of its log', () => {
  it('that this node’s own disk does not take is told as that, and asked for again as one that is away', async () => {
    let isFull = true
    const taken: string[] = []
    const log = {
      takeAll(_task: string, entries: Array<{ key: string }>) {
        if (isFull) {
          throw new Error('database or disk is full')
        }
        taken.push(...entries.map(({ key }) => key))
      },
      page: () => []
    } as unknown as WholeLog
    const copy = createCopy({ log, task: 'T', address: 'A', mostEntries: 10 })
    const entries = [{ cycle: 3, key: 'submission', hash: 'aa', bytes: null }]
    const ask = async () => ({ entries, more: false }) as never
    const failed = (await copy.compare(ask, 0).catch((err: Error) => err)) as Error
    expect(failed).to.be.instanceOf(SignerAwayError)
    expect(failed.message).to.match(/disk is full.*make room in its own data directory/)
    isFull = false
    await copy.compare(ask, 0)
    expect(taken).to.deep.equal(['submission'])
    expect(copy.lacksSince(0)).to.equal(false)
  })
})
