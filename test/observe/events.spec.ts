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
      { event: 'speaking', time: '1970-01-01T00:00:00.000Z', slot: 5, cycle: null, node: 'n', task: null },
      { event: 'missed', time: '1970-01-01T00:00:00.000Z', slot: 5, cycle: 3, node: 'n', task: null, stage: 'work', reason: 'no bundle' },
      {
        event: 'refused',
        time: '1970-01-01T00:00:00.000Z',
        slot: 5,
        cycle: 4,
        node: 'n',
        task: null,
        cid: 'bafy',
        attempt: 0,
        reason: 'wrong'
      }
    ])
    for (const event of told) {
      expect(nodeEventSchema.parse(JSON.parse(toLine(event)))).to.deep.equal(event)
    }
  })

  it('of a task say so, with the key that is staked in it; who listens to a task hears nothing of another, and the node hears all', () => {
    const { events, told } = gather()
    const [one, other] = [events.of({ task: 'A', node: 'a' }), events.of({ task: 'B', node: 'b' })]
    const heard: NodeEvent[] = []
    const off = one.on((event) => {
      // before those of the node: what is kept of a cycle is there when it is told
      expect(told.includes(event)).to.equal(false)
      heard.push(event)
    })
    one.emit('work-started', { cycle: 1 })
    other.tell({ event: 'task-paused', from: 3 })
    events.emit('stopped')
    expect(told.map(({ event, task, node }) => [event, task, node])).to.deep.equal([
      ['work-started', 'A', 'a'],
      ['task-paused', 'B', 'b'],
      ['stopped', null, 'n']
    ])
    expect(heard).to.deep.equal([told[0]])
    off()
    one.emit('closed', { cycle: 1 })
    expect([heard.length, told.length]).to.deep.equal([1, 4])
    for (const event of told) {
      expect(nodeEventSchema.parse(JSON.parse(toLine(event)))).to.deep.equal(event)
    }
  })

  it('of a node of before name no task, and are read all the same', () => {
    const { task: _, ...before } = { event: 'speaking', time: '1970-01-01T00:00:00.000Z', slot: 5, cycle: null, node: 'n', task: 'A' }
    expect(nodeEventSchema.parse(before)).to.deep.equal({ ...before, task: null })
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
    // @ts-expect-error: which task it is about is its teller's to say
    events.emit('task-paused', { task: 'A', from: 1 })
    // @ts-expect-error: a note is told with all that it has
    events.tell({ event: 'refused', cycle: 1, cid: 'bafy', reason: 'wrong' })
    expect(told.length).to.equal(9)
  })

  it('have names of their own', () => {
    const names = eventSchemas.map(({ shape }) => shape.event.value)
    expect(new Set(names).size).to.equal(names.length)
  })
})
