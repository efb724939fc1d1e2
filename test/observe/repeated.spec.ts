import { expect } from 'chai'
import { createRepeated } from '../../src/observe/index.ts'

describe('observe: lines that come again and again', () => {
  it('are told once in a while, each that differs by more than its figures at once', () => {
    const told: object[] = []
    const hidden: object[] = []
    let ms = 0
    const log = { warn: (fields: object) => told.push(fields), debug: (fields: object) => hidden.push(fields) } as never
    const repeated = createRepeated({ log, pauseMs: 1000, nowMs: () => ms })
    for (; ms < 1000; ms += 100) {
      repeated.warn({ reason: `nothing came within ${ms} ms`, cycle: ms }, 'asking again')
    }
    expect(told).to.deep.equal([{ reason: 'nothing came within 0 ms', cycle: 0 }])
    expect(hidden).to.have.length(9)
    repeated.warn({ reason: 'something else' }, 'asking again')
    repeated.warn({ reason: 'something else' }, 'another thing')
    repeated.warn({ reason: 'nothing came within 1 ms' }, 'asking again')
    expect(told.slice(1)).to.deep.equal([
      { reason: 'something else' },
      { reason: 'something else' },
      { reason: 'nothing came within 1 ms', repeated: 9 }
    ])
  })

  it('are forgotten when there are too many to keep in mind, the oldest first', () => {
    const told: object[] = []
    const log = { warn: (fields: object) => told.push(fields), debug: () => {} } as never
    const repeated = createRepeated({ log, nowMs: () => 0 })
    for (let i = 0; i < 65; i++) {
      repeated.warn({ reason: 'x'.repeat(i) }, 'asking again')
    }
    repeated.warn({ reason: 'x'.repeat(64) }, 'asking again')
    expect(told).to.have.length(65)
    repeated.warn({ reason: '' }, 'asking again')
    expect(told).to.have.length(66)
  })
})
