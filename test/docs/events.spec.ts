import { expect } from 'chai'
import { eventsDocument } from '../../scripts/events-document.ts'
import { eventSchemas } from '../../src/observe/events.ts'
import { codes, read, tableAfter } from './documents.ts'

describe('documents: events', () => {
  it('docs/events.md is what the schemas give', () => {
    expect(read('docs/events.md'), 'run node scripts/run.mjs scripts/events-document.ts').to.equal(eventsDocument())
  })

  it('has every event with its fields', () => {
    const rows = new Map(tableAfter(read('docs/events.md'), 'All events').map(([name, , , fields]) => [codes(name!)[0], fields!]))
    expect([...rows.keys()]).to.have.members(eventSchemas.map(({ shape }) => shape.event.value))
    for (const { shape } of eventSchemas) {
      const { event, time: _time, slot: _slot, cycle: _cycle, node: _node, task: _task, ...own } = shape
      for (const field of Object.keys(own)) {
        expect(rows.get(event.value), event.value).to.include(`\`${field}\``)
      }
    }
  })
})
