/** An audit's process that somebody kills says nothing of the submitter; one that the bundle ends by itself still does. */
import { expect } from 'chai'
import { createTaskHost } from '../../../src/node/task-host.ts'
import type { Proofs } from '../../../src/proofs/index.ts'
import { makeRunner, source } from '../../tasks/support.ts'
import { alice, submission, TASK } from '../../wire/people.ts'

const timing = { cycle: 3, startSlot: 90, endSlot: 120, slotMs: 100 }
const bundle = source(`
  export const manifest = { name: 'slow-audit', version: '1', memoryMb: 32 }
  export function task () {}
  export function submission () { return null }
  export async function audit (ctx, { value }) {
    await new Promise((done) => setTimeout(done, 800))
    if (value === 'bad') process.exit(1)
    return true
  }
`)

describe('cases: sandbox/07, a killed audit', () => {
  async function audited(value: string, kills: number) {
    const { runner } = await makeRunner({ bundle })
    const host = createTaskHost({ taskId: TASK, runner, proofs: {} as Proofs, limits: { maxBytes: 1e9 }, alsoProvide: () => false })
    const body = submission(value)
    const message = await alice.says({ ...body, submission: { ...body.submission!, proofs: [] } })
    const killed = new Set<number>()
    const killing = setInterval(() => {
      const pid = runner.status().processes.find(({ lane }) => lane === 'audit')?.pid
      if (pid != null && killed.size < kills && !killed.has(pid)) {
        killed.add(pid)
        process.kill(pid, 'SIGKILL')
      }
    }, 50)
    try {
      return await host.audit(message, [{ peerId: 'nobody', multiaddrs: [] }], timing, { fetchMs: 1000, totalMs: 20_000 })
    } finally {
      clearInterval(killing)
      await runner.stop()
    }
  }

  it('of a good submission does not make it invalid', async () => {
    expect((await audited('good', 1)).finding).to.equal('valid')
  })
  it('without the time for another run, is an abstention', async () => {
    const { runner } = await makeRunner({ bundle })
    const outcome = runner.audit({ staker: 'any', value: 'good', proofs: [] }, timing, {} as never, { timeoutMs: 900 })
    const killing = setInterval(() => {
      const pid = runner.status().processes.find(({ lane }) => lane === 'audit')?.pid
      if (pid != null) {
        process.kill(pid, 'SIGKILL')
      }
    }, 700)
    const result = await outcome
    clearInterval(killing)
    await runner.stop()
    expect(result.ok).to.equal(false)
    expect(result).not.to.have.property('accuses')
  })
  it('of a bad one hides nothing', async () => {
    expect((await audited('bad', 1)).finding).to.equal('invalid')
  })
})
