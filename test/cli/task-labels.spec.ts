import { expect } from 'chai'
import { lineOf } from '../../src/cli/event-text.ts'
import { createTaskLabels } from '../../src/cli/task-labels.ts'
import { createEvents, type NodeEvent } from '../../src/observe/index.ts'

const [A, B, C] = ['9xQeWvG816bUx9EPjHmaT23yvVM2ZWbrrpZb9PusVFin', '52yZU6HMtBsyMumVzYBY9U9oiKfNkpDdWnWmfHrn5EyU', `9xQe${'1'.repeat(40)}`]

describe('CLI: the task of a line', () => {
  const gather = (tell: (events: ReturnType<typeof createEvents>) => void): NodeEvent[] => {
    const told: NodeEvent[] = []
    const events = createEvents({ slot: () => 40, node: 'n', now: () => 0 })
    events.on((event) => told.push(event))
    tell(events)
    return told
  }
  const work = (task: string): NodeEvent =>
    gather((events) => events.of({ task, node: 'n' }).emit('submitted', { cycle: 3, value: '', proofs: [] }))[0]!
  const lines = (known: Parameters<typeof createTaskLabels>[0], told: NodeEvent[]) => {
    const labels = createTaskLabels(known)
    return told.map((event) => lineOf(event, (cid, task) => `get ${cid} of ${task}`, labels.of(event))?.slice('00:00:00'.length))
  }

  it('is named where the node does two, with what others are about the node', () => {
    const told = gather((events) => {
      const [one, other] = [events.of({ task: A, node: 'n' }), events.of({ task: B, node: 'm' })]
      events.emit('k2-back', { seconds: 3 })
      one.emit('submitted', { cycle: 3, value: '', proofs: [] })
      other.emit('missed', { cycle: 7, stage: 'work', reason: 'no bundle' })
      other.emit('bundle-changed', { bundle: 'bafy', from: 9 })
    })
    const known = [
      { task: A, taskName: 'Site archive' },
      { task: B, taskName: null }
    ]
    expect(lines(known, told)).to.deep.equal([
      '  slot 40  K2 answers again, after 3 s',
      '  slot 40 cycle 3  [Site archive]  submitted the work',
      '  slot 40 cycle 7  [52yZ]  missed the work: no bundle',
      `  slot 40  [52yZ]  the task has another bundle from cycle 9 on: bafy. Read it (get bafy of ${B}), or stop the node before`
    ])
    expect(lines([known[0]!], [told[1]!])).to.deep.equal(['  slot 40 cycle 3  submitted the work'])
  })

  it('follows tasks that come and go', () => {
    const told = gather((events) => {
      const [one, other] = [events.of({ task: A, node: 'n' }), events.of({ task: B, node: 'n' })]
      one.emit('work-started', { cycle: 1 })
      one.emit('task', { taskName: 'count', bundle: 'bafy', params: null })
      other.emit('task-added', { taskName: 'archive' })
      one.emit('closed', { cycle: 1 })
      other.emit('task-stopped', { reason: 'its key was replaced' })
      other.emit('task-removed')
      one.emit('closed', { cycle: 2 })
    })
    const labels = createTaskLabels([])
    expect(told.map((event) => labels.of(event))).to.deep.equal([undefined, undefined, 'archive', 'count', 'archive', 'archive', undefined])
    expect(lines([{ task: A, taskName: 'count' }], told).slice(2)).to.deep.equal([
      `  slot 40  [archive]  the operator has added the task archive ${B}`,
      undefined,
      '  slot 40  [archive]  the task cannot go on, and the others do: its key was replaced',
      `  slot 40  [archive]  the operator has removed the task ${B}: the others go on`,
      undefined
    ])
  })

  it('is told by its address where its name is another’s, too, or could be taken for more than a name', () => {
    const label = (task: string, ...known: Array<[task: string, taskName: string | null]>) =>
      createTaskLabels(known.map(([one, taskName]) => ({ task: one, taskName }))).of(work(task))
    expect(label(A, [A, 'count'], [B, 'count'])).to.equal('count 9xQe')
    expect(label(A, [A, null], [C, null])).to.equal('9xQeW')
    expect(label(A, [A, '52yZ'], [B, null])).to.equal('52yZ 9xQe')
    for (const evil of ['a]  accepted [', 'a\x1b[2J', 'a\u202eb', 'a\nb', '', ' ', 'a  b', 'x'.repeat(33), '\u200b', 'a: 5']) {
      expect(label(A, [A, evil], [B, null]), JSON.stringify(evil)).to.equal('9xQe')
    }
    for (const fine of ['count', 'Site archive', 'k2-index', '東京', 'v1.2_b']) {
      expect(label(A, [A, fine], [B, null])).to.equal(fine)
    }
  })

  it('costs no more than it is to, however many a stream names: the oldest is forgotten', () => {
    const labels = createTaskLabels([
      { task: A, taskName: 'count' },
      { task: B, taskName: 'archive' }
    ])
    expect(labels.of(work(A))).to.equal('count')
    for (let i = 0; i < 300; i++) {
      labels.of(work(`${i}`.padStart(40, 'z')))
    }
    expect(labels.of(work(A))).to.equal('9xQe')
  })
})
