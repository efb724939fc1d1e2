import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { pino } from 'pino'
import { quietRepeats } from '../../src/observe/repeats.ts'

describe('observe: what is said again and again', () => {
  let nowMs = 0
  const make = () => {
    const lines: Array<Record<string, unknown>> = []
    const log = pino(
      { level: 'debug', base: {}, hooks: { logMethod: quietRepeats({ now: () => nowMs, everyMs: 600_000 }) } },
      { write: (line) => void lines.push(JSON.parse(line)) }
    )
    return { log, lines }
  }

  it('is a warning once in ten minutes, with how often it came meanwhile', () => {
    nowMs = 0
    const { log, lines } = make()
    for (; nowMs < 601_000; nowMs += 1_000) {
      log.warn({ attempt: nowMs, reason: `the disk is full for ${nowMs / 1000} s` }, 'could not write')
    }
    expect(lines.map(({ reason, again }) => [reason, again])).to.deep.equal([
      ['the disk is full for 0 s', undefined],
      ['the disk is full for 600 s', 599]
    ])
  })

  it('is each another one with another reason, another error, or of another level', () => {
    const { log, lines } = make()
    for (let time = 0; time < 3; time++) {
      log.warn({ reason: 'one' }, 'could not write')
      log.warn({ reason: 'two' }, 'could not write')
      log.warn({ err: new Error('three') }, 'could not write')
      log.warn({ err: new Error('four') }, 'could not write')
      log.warn('could not write %d', 5)
      log.warn({ reason: 'one', cycle: 7 }, 'could not write')
      log.warn({ reason: 'one', cycle: 8 }, 'could not write')
      log.warn({ reason: 'no 10.0.0.1:4001' }, 'could not write')
      log.warn({ reason: 'no 10.0.0.2:4001' }, 'could not write')
      log.warn({ reason: 'x'.repeat(5_000) }, 'could not write')
      log.warn({ reason: 'x'.repeat(5_000) }, 'could not read')
      log.warn({ reason: 'one', peer: 'alice' }, 'could not write')
      log.info('written')
    }
    expect(lines).to.have.length(12 + 3)
  })

  it('is news when it comes back, and an error is told each time', () => {
    nowMs = 0
    const { log, lines } = make()
    for (; nowMs < 180_000; nowMs += 60_000) {
      log.warn({ reason: 'it is away' }, 'K2')
      log.error('the disk is full')
      log.error('the disk is full')
    }
    expect(lines).to.have.length(9)
  })

  it('is no task’s where an address is passed over again and again', () => {
    const { log, lines } = make()
    for (let time = 0; time < 3; time++) {
      log.warn({ from: 'hint', address: '/ip4/1', reason: 'not whole' }, 'passed over an address that cannot be dialled')
    }
    expect(lines).to.have.length(1)
    // by the name that a task's lines have, nothing else is logged
    const src = join(import.meta.dirname, '..', '..', 'src')
    const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))
    const named = files.filter((file) =>
      /\blog\w*(\.(debug|info|warn|error)|\[[^\]]*\])\(\s*\{([^}]*,)?\s*source\s*[,:}]/.test(readFileSync(join(src, file), 'utf8'))
    )
    expect(named).to.deep.equal([join('node', 'task-maker.ts')])
  })

  it('is all of it written where a task says it, or where it cannot be compared', () => {
    const { log, lines } = make()
    const round: Record<string, unknown> = {}
    round.round = round
    for (let time = 0; time < 3; time++) {
      log.warn({ source: 'error', text: 'no' }, 'the task failed')
      log.warn(round, 'round')
    }
    expect(lines).to.have.length(6)
  })

  it('takes no more memory for many texts', () => {
    const { log, lines } = make()
    for (let at = 0; at < 300; at++) {
      log.warn({ name: `peer ${at}` }, 'text')
    }
    log.warn({ name: 'peer 299' }, 'text')
    log.warn({ name: 'peer 0' }, 'text')
    expect(lines).to.have.length(301)
  })
})
