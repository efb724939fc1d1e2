import { expect } from 'chai'
import { eventSchemas, nodeEventSchema } from '../../src/observe/events.ts'
import { createEvents, type NodeEvent, toLine } from '../../src/observe/index.ts'
import type { Note } from '../../src/rounds/index.ts'

describe('observe: events', () => {
  const gather = () => {
    const events = createEvents({ slot: () => 5, node: 'n', now: () => 0 })
    const told: NodeEvent[] = []
    events.on((event) => told.push(event))
    return { events, told }
  }

  it('are told with who tells, when, and in which slot, as their schemas have them', () => {
    const { events, told } = gather()
    events.emit('speaking')
    events.emit('missed', { cycle: 3, stage: 'work', reason: 'no bundle' })
    const note: Note = { event: 'refused', cid: 'bafy', attempt: 0, reason: 'wrong' }
    events.tell({ cycle: 4, ...note })
    expect(told).to.deep.equal([
      { event: 'speaking', time: '1970-01-01T00:00:00.000Z', slot: 5, cycle: null, node: 'n' },
      { event: 'missed', time: '1970-01-01T00:00:00.000Z', slot: 5, cycle: 3, node: 'n', stage: 'work', reason: 'no bundle' },
      { event: 'refused', time: '1970-01-01T00:00:00.000Z', slot: 5, cycle: 4, node: 'n', cid: 'bafy', attempt: 0, reason: 'wrong' }
    ])
    for (const event of told) {
      expect(nodeEventSchema.parse(JSON.parse(toLine(event)))).to.deep.equal(event)
    }
  })

  it('with a wrong name, a wrong field or without one do not compile', () => {
    const { events, told } = gather()
    // @ts-expect-error: there is no such event
    events.emit('vote-lots', { cycle: 1, reason: 'x' })
    // @ts-expect-error: it has no such field
    events.emit('vote-lost', { cycle: 1, reason: 'x', because: 'y' })
    // @ts-expect-error: it lacks its reason
    events.emit('vote-lost', { cycle: 1 })
    // @ts-expect-error: it lacks its cycle
    events.emit('vote-lost', { reason: 'x' })
    // @ts-expect-error: it lacks everything
    events.emit('vote-lost')
    // @ts-expect-error: it is about no cycle
    events.emit('disk-well', { cycle: 1, kind: 'full' })
    // @ts-expect-error: amounts are text
    events.emit('slash-applied', { cycle: 1, staker: 's', amount: 1n, signature: 'x' })
    // @ts-expect-error: a note is told with all that it has
    events.tell({ event: 'refused', cycle: 1, cid: 'bafy', reason: 'wrong' })
    expect(told.length).to.equal(8)
  })

  it('have names of their own', () => {
    const names = eventSchemas.map(({ shape }) => shape.event.value)
    expect(new Set(names).size).to.equal(names.length)
  })
})
