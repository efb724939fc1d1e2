import { expect } from 'chai'
import { makeRunner, source } from '../../tasks/support.ts'

// what a line costs, and the hour’s bound: test/tasks/output.spec.ts
describe('cases: a task that writes empty lines', () => {
  it('gets no more of the log than its bytes on the disk come to, by its output and by frames', async function () {
    this.timeout(60_000)
    const bundle = source(`
      import fs from 'node:fs'
      export const manifest = { name: 'quiet', version: '1.0.0', memoryMb: 64 }
      const write = (fd, bytes) => { try { fs.writeSync(fd, bytes) } catch (err) { if (err.code !== 'EAGAIN') throw err } }
      export async function task (ctx) {
        const lines = Buffer.alloc(65536, '\\n')
        for (let i = 0; i < 40; i++) {
          write(1, lines)
          for (let j = 0; j < 50; j++) ctx.log('')
          await new Promise((resolve) => setTimeout(resolve, 5))
        }
      }
      export async function submission () { return null }
      export async function audit () { return true }`)
    let nowMs = 0
    const { runner, logged } = await makeRunner({ bundle, now: () => nowMs })
    try {
      const outcome = await runner.task({ cycle: 1, startSlot: 0, endSlot: 1, slotMs: 400 }, { timeoutMs: 30_000 })
      expect(outcome.ok).to.equal(true)
      nowMs += 1
      const bytes = logged.reduce(
        (sum, entry) => sum + JSON.stringify({ level: 30, time: '2026-11-29T22:14:19.000Z', ...entry, msg: 'task' }).length,
        0
      )
      // the gate's clock stands still: one second, and what was dropped told once
      expect(bytes).to.be.lessThan(64 * 1024 + 400)
      expect(logged.length).to.be.greaterThan(100)
    } finally {
      await runner.stop()
    }
  })
})
