import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import type { CID } from 'multiformats/cid'
import { Blocks } from '../../src/proofs/blocks.ts'
import { packNode } from '../../src/proofs/pack.ts'
import { Announcer } from '../../src/proofs/provide.ts'
import { memoryFiles } from './fixtures.ts'

/** Time that moves when it is told to. */
function manualTimers() {
  const pending = new Map<number, { run: () => void; atMs: number }>()
  let nowMs = 0
  let next = 1
  return {
    pending,
    now: () => nowMs,
    setTimeout(run: () => void, ms: number) {
      pending.set(next, { run, atMs: nowMs + ms })
      return next++
    },
    clearTimeout(timer: unknown) {
      pending.delete(timer as number)
    },
    pass(ms: number) {
      nowMs += ms
      for (const [id, { run, atMs }] of [...pending]) {
        if (atMs <= nowMs) {
          pending.delete(id)
          run()
        }
      }
    }
  }
}

async function cids(count: number): Promise<CID[]> {
  const blocks = new Blocks({ files: memoryFiles(), timers: manualTimers(), log: () => {} })
  return Promise.all(Array.from({ length: count }, async (_, index) => (await packNode(blocks, { index })).cid))
}

describe('proofs: provide', () => {
  it('asks anew each time when it is to provide again', async () => {
    const [a] = (await cids(1)) as [CID]
    const provided: string[] = []
    const timers = manualTimers()
    const routing = { provide: async (cid: CID) => void provided.push(cid.toString()), cancelReprovide: async () => {} }
    let everyMs = 1_000
    const announcer = new Announcer({ routing, timers, log: () => {} }, { reprovideIntervalMs: () => everyMs })
    announcer.start([a])
    await announcer.idle()
    everyMs = 100
    for (const [passMs, times] of [
      [1_000, 2],
      [100, 3]
    ] as const) {
      timers.pass(passMs)
      await announcer.idle()
      expect(provided).to.have.length(times)
    }
    await announcer.stop()
  })

  it('provides once when added, and again at every interval until removed', async () => {
    const [a, b] = (await cids(2)) as [CID, CID]
    const provided: string[] = []
    const cancelled: string[] = []
    const timers = manualTimers()
    const routing = {
      async provide(cid: CID) {
        provided.push(cid.toString())
      },
      async cancelReprovide(cid: CID) {
        cancelled.push(cid.toString())
      }
    }
    const announcer = new Announcer({ routing, timers, log: () => {} }, { reprovideIntervalMs: 1000 })
    announcer.start([a])
    announcer.add(b)
    announcer.add(b)
    await announcer.idle()
    expect(provided).to.deep.equal([a.toString(), b.toString()])

    timers.pass(999)
    await announcer.idle()
    expect(provided).to.have.length(2)
    timers.pass(1)
    await announcer.idle()
    expect(provided).to.have.length(4)

    announcer.remove(a)
    timers.pass(1000)
    await announcer.idle()
    expect(provided.slice(4)).to.deep.equal([b.toString()])
    expect(cancelled).to.deep.equal([a.toString()])
    await announcer.stop()
    expect(timers.pending.size).to.equal(0)
  })

  it('tries three times, logs and does not throw, and tries again at the next interval', async () => {
    const [a] = (await cids(1)) as [CID]
    let attempts = 0
    const logged: unknown[][] = []
    const timers = manualTimers()
    const routing = {
      async provide() {
        attempts++
        throw attempts === 2 ? new TypeError('no peers in the routing table') : new Error('no peers in the routing table')
      },
      cancelReprovide: async () => {}
    }
    const announcer = new Announcer({ routing, timers, log: (...args) => logged.push(args) }, { reprovideIntervalMs: 1000, retryMs: 1 })
    announcer.start([])
    announcer.add(a)
    await announcer.idle()
    expect(attempts).to.equal(3)
    expect(logged).to.have.length(1)
    expect(announcer.stats).to.deep.equal({ provided: 0, failed: 1 })
    timers.pass(1000)
    await announcer.idle()
    expect(attempts).to.equal(6)
    await announcer.stop()
  })

  it('runs four at a time, and stops at once', async () => {
    const many = await cids(12)
    let running = 0
    let most = 0
    const timers = manualTimers()
    const routing = {
      cancelReprovide: async () => {},
      provide: (_cid: CID, { signal }: { signal: AbortSignal }) =>
        new Promise<void>((_resolve, reject) => {
          running++
          most = Math.max(most, running)
          signal.addEventListener('abort', () => {
            running--
            reject(signal.reason)
          })
        })
    }
    const announcer = new Announcer({ routing, timers, log: () => {} })
    announcer.start(many)
    await sleep(20)
    expect(most).to.equal(4)
    await announcer.stop()
    expect(running).to.equal(0)
    expect(most).to.equal(4)
  })

  it('stops what is under way for a root that is taken back, and begins anew when it is pinned again', async () => {
    const [a] = (await cids(1)) as [CID]
    const begun: AbortSignal[] = []
    const routing = {
      cancelReprovide: async () => {},
      provide: (_cid: CID, { signal }: { signal: AbortSignal }) =>
        new Promise<void>((resolve, reject) => {
          begun.push(signal)
          signal.addEventListener('abort', () => reject(signal.reason))
          if (begun.length > 1) {
            resolve()
          }
        })
    }
    const announcer = new Announcer({ routing, timers: manualTimers(), log: () => {} }, { retryMs: 1 })
    announcer.add(a)
    await sleep(0)
    announcer.remove(a)
    announcer.add(a)
    await announcer.idle()
    expect(begun.map(({ aborted }) => aborted)).to.deep.equal([true, false])
    expect(announcer.stats).to.deep.equal({ provided: 1, failed: 0 })
    await announcer.stop()
  })
})
