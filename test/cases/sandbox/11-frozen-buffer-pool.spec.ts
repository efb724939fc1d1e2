import { expect } from 'chai'
import { onTwoNodes } from './nodes.ts'

describe('case: 11-frozen-buffer-pool', () => {
  it("Node's Buffer and its pool are not there", async () => {
    const outcome = await onTwoNodes(`
import { createHash } from 'crypto'
export function distribution() {
  const b = Buffer.from('x')
  const pool = new Uint8Array(b.buffer)
  const text = Buffer.from(pool).toString('latin1').replace(/[^ -~]+/g, '.')
  say([b.byteOffset, pool.length, createHash('sha256').update(pool).digest('hex').slice(0, 16), text.slice(0, 300)])
}
    `)
    expect(outcome).to.deep.include({ ok: false, reason: 'threw', detail: "ReferenceError: 'Buffer' is not defined" })
  }).timeout(120_000)
})
