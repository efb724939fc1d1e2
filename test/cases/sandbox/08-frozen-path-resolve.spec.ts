import { expect } from 'chai'
import { onTwoNodes } from './nodes.ts'

describe('case: 08-frozen-path-resolve', () => {
  it('path.resolve tells no directory: it is refused everywhere', async () => {
    const outcome = await onTwoNodes(`
import { resolve } from 'node:path/posix'
export function distribution({ bounty, submissions }) {
  const odd = [...resolve('x')].reduce((sum, c) => (sum * 31 + c.charCodeAt(0)) % 1000, 0)
  return submissions.map(({ staker }) => ({ staker, amount: bounty / BigInt(submissions.length) - BigInt(odd) }))
}
    `)
    expect(outcome)
      .to.deep.include({ ok: false, reason: 'threw' })
      .and.have.property('detail')
      .that.matches(/^TaskAccessError: node:path\/posix is not available in distribution/)
  }).timeout(120_000)
})
