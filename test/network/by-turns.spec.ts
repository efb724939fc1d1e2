import type { PeerStore } from '@libp2p/interface'
import { expect } from 'chai'
import { byTurns, OPERATIONS_PER_TURN } from '../../src/network/by-turns.ts'

describe('network: a peer store by turns', () => {
  it('does so much in a turn, in order, and all in the end', async () => {
    const done: number[] = []
    const turns: Array<() => void> = []
    const store = byTurns({ get: async (at: number) => done.push(at) } as unknown as PeerStore, (run) => turns.push(run))
    const asked = Array.from({ length: 100 }, (_, at) => store.get(at as never))
    for (let turn = 1; turn <= 4; turn++) {
      for (let at = 0; at < 1_000; at++) {
        await Promise.resolve()
      }
      expect(done).to.have.length(Math.min(100, turn * OPERATIONS_PER_TURN))
      expect(turns.length).to.be.at.most(1)
      turns.shift()?.()
    }
    await Promise.all(asked)
    expect(done).to.deep.equal(Array.from({ length: 100 }, (_, at) => at))
  })

  it('passes on what comes of it', async () => {
    const store = byTurns({
      get: async () => {
        throw new Error('not here')
      }
    } as unknown as PeerStore)
    const err = await store.get('peer' as never).then(
      () => undefined,
      (err: Error) => err
    )
    expect(err?.message).to.equal('not here')
  })
})
