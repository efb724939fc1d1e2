import { expect } from 'chai'
import { onTwoNodes } from './nodes.ts'

describe('case: 10-frozen-callsites', () => {
  it('util.getCallSites names no folders: it is refused everywhere', async () => {
    const outcome = await onTwoNodes(`
import * as util from 'node:util'
export function distribution() { say((util.getCallSites?.(10) ?? []).map((s) => s.scriptName + ':' + s.lineNumber)) }
    `)
    expect(outcome)
      .to.deep.include({ ok: false, reason: 'threw' })
      .and.have.property('detail')
      .that.matches(/^TaskAccessError: node:util is not available in distribution/)
  }).timeout(120_000)
})
