import { expect } from 'chai'
import { onTwoNodes } from './nodes.ts'

describe('case: 09-frozen-import-computed', () => {
  it('a module whose name is computed is no real one', async () => {
    const outcome = await onTwoNodes(`
export async function distribution() {
  const out = {}
  for (const parts of [[102, 115], [111, 115], [112, 101, 114, 102, 95, 104, 111, 111, 107, 115], [112, 114, 111, 99, 101, 115, 115], [116, 105, 109, 101, 114, 115]]) {
    const name = String.fromCharCode(...parts)
    try {
      const m = await import(name)
      out[name] = name === 'fs' || parts[0] === 102 ? String(m.statSync?.('.').ino) : parts[0] === 111 ? [m.hostname(), m.freemem()] : parts[1] === 101 ? m.performance.now() : parts[1] === 114 ? [m.default.pid, m.default.cwd(), m.default.hrtime()] : typeof m.setTimeout
    } catch (e) { out[name] = String(e).slice(0, 80) }
  }
  say(out)
}
    `)
    const { detail } = outcome as { detail: string }
    const seen = JSON.parse(detail.replace(/^Error: /, '')) as Record<string, string>
    expect(Object.keys(seen)).to.deep.equal(['fs', 'os', 'perf_hooks', 'process', 'timers'])
    for (const name of ['fs', 'os', 'perf_hooks', 'process']) {
      expect(seen[name]).to.match(new RegExp(`^TaskAccessError: ${name} is not available in distribution`))
    }
    // there by its name, and fails like the others when it is called
    expect(seen.timers).to.equal('function')
  }).timeout(120_000)
})
