/** The log for people, beside the events and alone. */
import { expect } from 'chai'
import { logText } from '../../src/observe/log-text.ts'

describe('observe: the log as text', () => {
  const line = (facts: object) => JSON.stringify({ level: 40, time: '2026-01-01T13:05:09.000Z', ...facts, msg: 'K2 has not answered' })

  it('leaves what is told as an event to that, where both are on one page, and nowhere else', () => {
    const away = line({ event: 'k2-away', slot: 7 })
    expect(logText(away, 80, true)).to.equal('')
    expect(logText(away, 80)).to.match(/warning {2}K2 has not answered {2}event=k2-away {2}slot=7\n$/)
    expect(logText(line({ slot: 7 }), 80, true)).to.match(/warning {2}K2 has not answered {2}slot=7\n$/)
    expect(logText('no JSON', 80, true)).to.equal('no JSON\n')
  })
})
