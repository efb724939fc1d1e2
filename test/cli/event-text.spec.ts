import { expect } from 'chai'
import { lineOf } from '../../src/cli/event-text.ts'
import type { NodeEvent } from '../../src/observe/index.ts'

describe('CLI: events in words', () => {
  const at = { time: '2026-01-01T12:00:00.000Z', slot: 40, cycle: null, node: 'n' }
  const shown = (event: object) => lineOf({ ...at, ...event } as NodeEvent, () => 'koii-mesh task get')

  it('that ask the operator to act are shown, with their slot', () => {
    for (const event of [
      { event: 'address-past', reason: 'the address on K2 is old' },
      { event: 'signer-away', reason: 'the signer does not answer' },
      { event: 'disk-trouble', reason: 'the disk is full' },
      { event: 'key-replaced', staker: 's', stakingKey: 'k', from: 3, reason: 'the key was replaced' }
    ]) {
      expect(shown(event), event.event).to.include('slot 40').and.include(event.reason)
    }
  })

  it('that are for machines are not', () => {
    expect(shown({ event: 'peers', staked: 1, wanted: 2 })).to.equal(null)
  })
})
