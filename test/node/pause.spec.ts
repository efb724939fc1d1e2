import { expect } from 'chai'
import { createPause, PAUSED } from '../../src/node/pause.ts'
import type { TaskHost } from '../../src/participant/index.ts'
import { eventsInto } from '../observe/events-into.ts'

describe('node: a task that the operator has paused', () => {
  const host = {} as TaskHost
  const make = async () => {
    const kept = new Map<string, Uint8Array>()
    const told: Array<{ event: string }> = []
    let cycle: number | undefined = 7
    const open = () =>
      createPause({
        ...{ task: 'T', dataDir: '/data', cycle: () => cycle, now: () => 0, events: eventsInto(told) },
        store: {
          get: async (key) => kept.get(key),
          put: async (key, value) => void kept.set(key, value),
          delete: async (key) => void kept.delete(key)
        }
      })
    return { kept, told, open, pause: await open(), to: (next: number | undefined) => (cycle = next) }
  }

  it('is neither worked on nor audited from the next cycle on, and what is under way is finished', async () => {
    const { pause } = await make()
    expect(pause.host(8, host)).to.equal(host)
    expect(await pause.pause()).to.deep.equal({ from: 8, since: '1970-01-01T00:00:00.000Z' })
    for (const cycle of [5, 6, 7]) {
      expect(pause.host(cycle, host), `${cycle}`).to.equal(host)
      expect(pause.host(cycle, undefined)).to.equal(undefined)
    }
    for (const bundle of [host, undefined]) {
      const resting = pause.host(8, bundle)!
      expect(resting.idle).to.equal(true)
      expect(await resting.work({} as never, 1)).to.deep.equal({ ok: false, reason: PAUSED })
      expect(await resting.audit({} as never, [], {} as never, {} as never)).to.deep.equal({ finding: 'abstained', reason: PAUSED })
    }
  })

  it('stays so over a restart, and when it is said twice', async () => {
    const { pause, open, told, to } = await make()
    await pause.pause()
    to(9)
    const again = await open()
    expect(again.paused()).to.deep.equal({ from: 8, since: '1970-01-01T00:00:00.000Z' })
    expect((await again.pause()).from).to.equal(8)
    expect(again.notice()).to.match(/paused the task from cycle 8 on.*task resume T --data-dir \/data/)
    expect(told).to.deep.equal([{ event: 'task-paused', from: 8 }])
  })

  it('is as what was asked last, when both are asked at once', async () => {
    const { pause, kept, told } = await make()
    expect(await Promise.all([pause.pause(), pause.pause(), pause.resume()])).to.deep.include({
      from: 8,
      since: '1970-01-01T00:00:00.000Z'
    })
    expect([pause.paused(), kept.size]).to.deep.equal([null, 0])
    await Promise.all([pause.resume(), pause.pause()])
    expect([pause.paused()?.from, kept.size]).to.deep.equal([8, 1])
    expect(told.map(({ event }) => event)).to.deep.equal(['task-paused', 'task-resumed', 'task-paused'])
  })

  it('begins with the next cycle when it is said again after a clock that was ahead', async () => {
    const { pause, open, to } = await make()
    to(1_000_000)
    await pause.pause()
    to(7)
    expect((await pause.pause()).from).to.equal(8)
    expect((await open()).paused()?.from).to.equal(8)
  })

  it('goes on when that is said, once', async () => {
    const { pause, open, told, kept } = await make()
    await pause.pause()
    await pause.resume()
    await pause.resume()
    expect(pause.host(8, host)).to.equal(host)
    expect([pause.notice(), pause.paused(), (await open()).paused(), kept.size]).to.deep.equal([null, null, null, 0])
    expect(told.map(({ event }) => event)).to.deep.equal(['task-paused', 'task-resumed'])
  })

  it('is not paused as long as nobody knows which cycle is the next', async () => {
    const { pause, told, kept, to } = await make()
    to(undefined)
    const failed = (await pause.pause().catch((err: Error) => err)) as Error
    expect([failed.name, pause.paused(), told.length, kept.size]).to.deep.equal(['NotNowError', null, 0, 0])
    to(7)
    expect((await pause.pause()).from).to.equal(8)
  })

  it('is not paused when that could not be kept', async () => {
    const told: Array<{ event: string }> = []
    const pause = await createPause({
      ...{ task: 'T', dataDir: '/data', cycle: () => 7, events: eventsInto(told) },
      store: { get: async () => undefined, put: () => Promise.reject(new Error('disk is full')), delete: async () => {} }
    })
    const failed = (await pause.pause().catch((err: Error) => err)) as Error
    expect(failed.name).to.equal('NotNowError')
    expect(failed.message).to.match(/disk is full.*make room/)
    expect([pause.paused(), told.length]).to.deep.equal([null, 0])
  })
})
