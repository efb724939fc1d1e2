import { expect } from 'chai'
import { createBootstrapNotice } from '../../src/node/bootstrap-notice.ts'

describe('node: bootstrap addresses', () => {
  const failed = (peer: string) => ({ type: 'failed', source: 'bootstrap', peer, reason: 'connection refused', retryMs: 1000 }) as const

  it('where nobody answers are told once, and in the status until somebody does', () => {
    const lines: string[] = []
    const bootstrap = createBootstrapNotice({ log: { warn: (_facts, text) => void lines.push(text) } })
    expect(bootstrap.notice()).to.equal(undefined)
    // one that starts at the same time
    bootstrap.on(failed('early'))
    bootstrap.on({ type: 'connected', source: 'bootstrap', peer: 'early', staker: 's' })
    expect(bootstrap.notice()).to.equal(undefined)
    lines.splice(0)
    for (let i = 0; i < 3; i++) {
      bootstrap.on(failed('gone'))
      bootstrap.on({ ...failed('other'), source: 'dht' })
    }
    expect(lines).to.have.length(1)
    expect(lines[0]).to.match(/nobody answers as the bootstrap peer gone \(connection refused\).*koii-mesh status/)
    expect(bootstrap.notice()).to.equal(lines[0])
    bootstrap.on({ type: 'unstaked', source: 'bootstrap', peer: 'gone', reason: 'no stake' })
    expect(bootstrap.notice()).to.equal(undefined)
  })
})
