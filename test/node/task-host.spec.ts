import { expect } from 'chai'
import { createTaskHost } from '../../src/node/task-host.ts'
import type { TaskRunner } from '../../src/tasks/index.ts'
import { LIMITS } from '../../src/wire/index.ts'
import { Lab } from '../proofs/fixtures.ts'
import { alice, cidBytes, submission, TASK } from '../wire/people.ts'

describe('node: task host', () => {
  const lab = new Lab()
  afterEach(() => lab.end())

  it('says of a proof that did not come what time the round gave it, and who was asked', async () => {
    const [auditor, submitter] = [await lab.node(), await lab.node()]
    const host = createTaskHost({
      taskId: TASK,
      runner: {} as TaskRunner,
      proofs: auditor.proofs,
      limits: { maxBytes: 1_000_000, maxBlocks: 100 },
      alsoProvide: () => false
    })
    const body = submission('nobody has this')
    const message = await alice.says({
      ...body,
      submission: {
        ...body.submission!,
        proofs: [{ cid: cidBytes('nobody has this'), size: 1000, blocks: 2 }]
      }
    })
    const timing = { cycle: 3, startSlot: 90, endSlot: 120, slotMs: 100 }
    const { finding, reason } = await host.audit(message, [submitter.hint], timing, { fetchMs: 400.4, totalMs: 700.7 })
    expect(finding).to.equal('unavailable')
    const wire = Buffer.from(reason).subarray(0, LIMITS.reasonBytes).toString()
    expect(wire).to.include('400 ms').and.to.include('701 in all')
    expect(wire).to.include(submitter.hint.peerId)
  })
})
