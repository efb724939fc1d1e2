import { PassThrough } from 'node:stream'
import { expect } from 'chai'
import { createLogGate, readOutput, type TaskLogEntry } from '../../src/tasks/output.ts'

describe('tasks: what a task may log', () => {
  const world = () => {
    let nowMs = 0
    const logged: TaskLogEntry[] = []
    let later: { atMs: number; fn: () => void } | undefined
    const gate = createLogGate({
      log: (entry) => logged.push(entry),
      now: () => nowMs,
      after: (delayMs, fn) => {
        later = { atMs: nowMs + delayMs, fn }
      }
    })
    const pass = (ms: number) => {
      nowMs += ms
      if (later != null && later.atMs <= nowMs) {
        const { fn } = later
        later = undefined
        fn()
      }
    }
    /** As the node's log writes it. */
    const bytes = () =>
      logged.reduce(
        (sum, entry) => sum + JSON.stringify({ level: 30, time: '2026-11-29T22:14:19.000Z', ...entry, msg: 'task' }).length + 1,
        0
      )
    const told = () => logged.filter(({ text }) => /lines dropped/.test(text)).map(({ text }) => Number(/\d+/.exec(text)![0]))
    return { gate, logged, pass, bytes, told }
  }

  for (const [what, text] of Object.entries({
    'empty lines': '',
    'lines of one letter': 'a',
    'lines that JSON doubles': '"\\'.repeat(1000),
    'long lines': 'x'.repeat(5000)
  })) {
    it(`keeps ${what} to 64 KiB a second and 16 MiB an hour of disk, and tells the count of what was dropped`, () => {
      const { gate, logged, pass, bytes, told } = world()
      const lines = 2_000
      for (let i = 0; i < lines; i++) {
        gate.log({ source: 'stdout', text })
      }
      expect(bytes()).to.be.within(40 * 1024, 64 * 1024)
      const passed = logged.length
      expect(told()).to.deep.equal([])
      pass(1000)
      expect(told()).to.deep.equal([lines - passed])
      pass(1000)
      expect(told()).to.have.length(1)
      for (let second = 0; second < 3595; second++) {
        for (let i = 0; i < 60; i++) {
          gate.log({ source: 'stdout', text })
        }
        pass(1000)
      }
      expect(bytes()).to.be.within(10 * 1024 * 1024, 16.2 * 1024 * 1024)
      // told now and then, not at every drop
      expect(told().length).to.be.within(20, 62)
    })
  }

  it('only counts most lines of a chunk that is nothing but lines', async () => {
    const { gate, logged, pass, told } = world()
    const stream = new PassThrough()
    readOutput(stream, 'stdout', gate)
    stream.write(Buffer.alloc(65_536, '\n'))
    await new Promise((resolve) => setImmediate(resolve))
    expect(logged.length).to.be.at.most(512)
    const passed = logged.length
    pass(1000)
    expect(told().reduce((sum, count) => sum + count, 0)).to.equal(65_536 - passed)
    stream.destroy()
  })
})
