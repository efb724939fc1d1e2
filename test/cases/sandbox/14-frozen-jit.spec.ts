import { expect } from 'chai'
import { onTwoNodes } from './nodes.ts'

describe('case: 14-frozen-jit', () => {
  it('a stack overflows at one depth, cold and hot', async () => {
    const outcome = await onTwoNodes(`
function g(n) { try { return g(n + 1) } catch { return n } }
export function distribution() { const seen = []; for (let i = 0; i < 400; i++) seen.push(g(0)); say([...new Set(seen)].slice(0, 30)) }
    `)
    expect((outcome as { detail: string }).detail).to.match(/^Error: \[\d+\]$/)
  }).timeout(120_000)
})
