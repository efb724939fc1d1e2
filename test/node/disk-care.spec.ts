import { expect } from 'chai'
import type { DiskTrouble, DiskWatch } from '../../src/disk/index.ts'
import { createDiskCare, type DiskCareInit } from '../../src/node/disk-care.ts'

describe('node: a disk in trouble', () => {
  it('promises no signature that there is no reserve for', () => {
    const trouble: DiskTrouble = { kind: 'full', what: 'the database', advice: 'the disk is full: make room' } as DiskTrouble
    const watch = { trouble: () => trouble, onTrouble: () => {}, onOver: () => {} } as unknown as DiskWatch
    const silent = { error: () => {}, warn: () => {}, emit: () => {} }
    let hasReserve = true
    const care = createDiskCare({
      watch,
      events: silent,
      log: silent,
      hasReserve: () => hasReserve,
      clearAway: () => {}
    } as unknown as DiskCareInit)
    expect(care.notice()).to.match(/^the disk is full: make room\. .*signs what there is a reserve for/)
    hasReserve = false
    expect(care.notice()).to.include('has no reserve left to sign with')
  })
})
