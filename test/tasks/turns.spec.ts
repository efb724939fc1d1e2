import { expect } from 'chai'
import { createTurns } from '../../src/tasks/turns.ts'

describe('tasks: turns', () => {
  const world = () => {
    let nowMs = 0
    const later: Array<{ atMs: number; fn: () => void }> = []
    const done: Array<{ item: number; atMs: number }> = []
    const held: string[] = []
    const turns = createTurns<number>({
      // an item takes as long as it says
      handle: (item) => {
        done.push({ item, atMs: nowMs })
        nowMs += item
      },
      onBacklog: () => held.push('hold'),
      onEmpty: () => held.push('release'),
      now: () => nowMs,
      after: (delayMs, fn) => later.push({ atMs: nowMs + delayMs, fn })
    })
    const run = () => {
      for (let next = later.shift(); next != null; next = later.shift()) {
        nowMs = Math.max(nowMs, next.atMs)
        next.fn()
      }
    }
    return { turns, done, held, run, now: () => nowMs }
  }

  it('handles what is cheap at once', () => {
    const { turns, done, held } = world()
    turns.take(() => [1, 1, 1])
    expect(done).to.have.length(3)
    expect(held).to.deep.equal([])
  })

  it('leaves three quarters of the time to others, whatever is asked for, and keeps the order', () => {
    const { turns, done, held, run, now } = world()
    const items = Array.from({ length: 100 }, (_, i) => 1 + (i % 3))
    turns.take(() => items)
    expect(done.length).to.be.at.most(4)
    expect(held).to.deep.equal(['hold'])
    run()
    expect(done.map(({ item }) => item)).to.deep.equal(items)
    expect(held.at(-1)).to.equal('release')
    expect(now()).to.be.at.least(4 * items.reduce((sum, ms) => sum + ms, 0) - 4 * 4)
    // no turn is longer than a slice and the item that went over it
    let turnMs = 0
    for (const [at, { atMs, item }] of done.entries()) {
      turnMs = at > 0 && atMs === done[at - 1]!.atMs + done[at - 1]!.item ? turnMs + item : item
      expect(turnMs).to.be.at.most(4 + 3)
    }
  })

  it('handles everything when it is drained', () => {
    const { turns, done } = world()
    turns.take(() => [9, 9, 9])
    turns.drain()
    expect(done).to.have.length(3)
  })
})
