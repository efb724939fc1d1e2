import { expect } from 'chai'
import { createLifeSigns, type LifeSignsInit } from '../../src/node/life-signs.ts'

const peersOf = (names: string[]) => names.map((staker) => ({ peerId: `peer of ${staker}`, staker }))
const never = (_: string, signal: AbortSignal) =>
  new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
const settled = () => new Promise((resolve) => setTimeout(resolve, 20))

function signs(init: Omit<LifeSignsInit, 'stakeOf'> & Partial<LifeSignsInit>) {
  const life = createLifeSigns({ stakeOf: () => 1n, ...init })
  const answered: string[] = []
  return { life, answered, ask: (first: string[], timeoutMs = 5_000) => life.ask(first, (staker) => answered.push(staker), timeoutMs) }
}

describe('node: signs of life', () => {
  it('are asked of those that are looked for and of all other staked peers, and only an answer is one', async () => {
    const { life, answered, ask } = signs({
      staked: () => peersOf(['a', 'b', 'dead']),
      ping: (peerId, signal) => (peerId === 'peer of dead' ? never(peerId, signal) : Promise.resolve(1))
    })
    // whoever is not connected cannot be asked, and has given none
    // slots are measured, and no whole number of milliseconds
    expect(ask(['dead', 'gone'], 5_000.25)).to.have.members(['dead', 'gone', 'a', 'b'])
    await settled()
    expect(answered).to.have.members(['a', 'b'])
    life.stop()
  })

  it('are asked again of a peer that is being pinged already, and of at most 64 peers, those looked for first', async () => {
    let left = 2
    const asked = new Set<string>()
    const { life, answered, ask } = signs({
      staked: () => peersOf(Array.from({ length: 100 }, (_, i) => `staker ${i}`)),
      ping: async (peerId) => {
        asked.add(peerId)
        if (peerId === 'peer of staker 99' && left-- > 0) {
          throw new Error('too many streams')
        }
      }
    })
    ask(['staker 99'])
    while (!answered.includes('staker 99')) {
      await settled()
    }
    expect(asked.size).to.equal(64)
    life.stop()
  })

  it('are asked of those with the most at stake, however many small ones were there before', async () => {
    const small = Array.from({ length: 200 }, (_, i) => `small ${i}`)
    const large = Array.from({ length: 40 }, (_, i) => `large ${i}`)
    const { life, answered, ask } = signs({
      staked: () => peersOf([...small, ...large]),
      stakeOf: (staker) => (staker.startsWith('large') ? 1_000n : 1n),
      ping: (peerId, signal) => (peerId.includes('small') ? never(peerId, signal) : Promise.resolve(1))
    })
    expect(ask(['small 7'])).to.include.members([...large, 'small 7'])
    await settled()
    expect(answered).to.have.members(large)
    life.stop()
  })

  it('cost one ping at a time, however often they are asked for', async () => {
    let pings = 0
    const { life, ask } = signs({
      staked: () => peersOf(['a']),
      ping: (peerId, signal) => {
        pings++
        return never(peerId, signal)
      }
    })
    ask(['a'])
    ask(['a'])
    expect(pings).to.equal(1)
    life.stop()
  })
})
