import { createHash } from 'node:crypto'
import { expect } from 'chai'
import fc from 'fast-check'
import { createPool, type Pool } from '../../src/judge/index.ts'
import type { Message } from '../../src/wire/index.ts'
import { cpuMs } from '../cpu.ts'

const message = (id: string, cycle = 1, signer = 'alice', kind: Message['kind'] = 'submission') =>
  ({ id, kind, signer, body: { cycle, [kind]: {} } }) as unknown as Message
const hex = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString('hex'))

describe('judge: pool', () => {
  it('gives the same digest for the same messages in any order, and another when one is more or less', () => {
    fc.assert(
      fc.property(fc.uniqueArray(hex, { minLength: 1, maxLength: 20 }), fc.integer(), (ids, seed) => {
        const one = createPool()
        const other = createPool()
        for (const id of ids) one.add(message(id))
        for (const id of [...ids].sort(
          (a, b) => (Number.parseInt(a.slice(0, 6), 16) ^ seed) - (Number.parseInt(b.slice(0, 6), 16) ^ seed)
        )) {
          expect(Buffer.from(other.digest(1))).to.not.deep.equal(Buffer.from(one.digest(1)))
          other.add(message(id))
        }
        expect(Buffer.from(other.digest(1))).to.deep.equal(Buffer.from(one.digest(1)))
      })
    )
  })

  it('gives another digest for other messages, though somebody chose them so that their ids add up to the same', () => {
    const [one, other] = xorTwins()
    const pools = [one, other].map((ids) => {
      const pool = createPool()
      for (const id of ids) pool.add(message(id))
      return pool
    }) as [Pool, Pool]
    expect(pools[0].count(1)).to.equal(pools[1].count(1))
    expect(Buffer.from(pools[0].digest(1))).to.not.deep.equal(Buffer.from(pools[1].digest(1)))
  })

  it('gives the ids in order however often it is asked, and whatever comes between', async () => {
    const pool = createPool()
    const ids = Array.from({ length: 20_000 }, (_, at) => createHash('sha256').update(`${at}`).digest('hex'))
    for (const id of ids) pool.add(message(id))
    const tookMs = await cpuMs(() => {
      for (let at = 0; at < 300; at++) {
        const more = createHash('sha256').update(`more ${at}`).digest('hex')
        ids.push(more)
        pool.add(message(more))
        expect(pool.ids(1)).to.have.length(ids.length)
      }
    })
    // fifty peers that ask four times a second must not take all of a processor
    expect(tookMs).to.be.below(1500)
    expect(pool.ids(1)).to.deep.equal([...ids].sort())
  })

  it('gives each caller a digest of its own', () => {
    const pool = createPool()
    pool.add(message('aa'.repeat(32)))
    const first = pool.digest(1)
    first.fill(0)
    expect(Buffer.from(pool.digest(1)).equals(Buffer.alloc(32)), 'what a caller does to it').to.equal(false)
  })

  it('adds a message once, and counts what was said under each key in each cycle', () => {
    const pool = createPool()
    expect(pool.add(message('aa'.repeat(32)))).to.equal(true)
    expect(pool.add(message('aa'.repeat(32)))).to.equal(false)
    pool.add(message('bb'.repeat(32), 1, 'alice', 'challenge'))
    pool.add(message('cc'.repeat(32), 2))
    pool.add(message('dd'.repeat(32), 1, 'bob'))
    const keys = ['alice/submission', 'alice/challenge', 'bob/submission', 'bob/challenge']
    expect(keys.map((key) => pool.said(1, key))).to.deep.equal([1, 1, 1, 0])
    expect(keys.map((key) => pool.said(2, key))).to.deep.equal([1, 0, 0, 0])
    expect(pool.said(3, 'alice/submission')).to.equal(0)
    expect(pool.ids(1)).to.deep.equal(['aa', 'bb', 'dd'].map((two) => two.repeat(32)))
    expect(pool.cycles()).to.deep.equal([1, 2])
  })

  it('forgets what is pruned, and nothing else', () => {
    const pool = createPool()
    for (const cycle of [1, 2, 3]) {
      pool.add(message(`0${cycle}`.repeat(32), cycle))
      pool.refuse(cycle, `f${cycle}`.repeat(32))
    }
    pool.prune(2)
    expect(pool.cycles()).to.deep.equal([2, 3])
    expect([pool.has('01'.repeat(32)), pool.has('02'.repeat(32))]).to.deep.equal([false, true])
    expect([pool.isSettled('f1'.repeat(32)), pool.isSettled('f2'.repeat(32))]).to.deep.equal([false, true])
    expect(Buffer.from(pool.digest(1))).to.deep.equal(Buffer.from(createPool().digest(1)))
    expect(pool.size).to.equal(2)
  })

  it('has no bound on all messages together: who says much takes no place of another', () => {
    const pool = createPool()
    const count = 70_000
    for (let at = 0; at < count; at++) {
      pool.add(message(at.toString(16).padStart(64, '0'), 1, `staker ${at % 1_000}`))
    }
    expect(pool.add(message('ff'.repeat(32), 1, 'bob'))).to.equal(true)
    expect([pool.size, pool.count(1), pool.said(1, 'bob/submission')]).to.deep.equal([count + 1, count + 1, 1])
  })
})

/**
 * Two different sets of as many ids with the same XOR. Of 257 pairs of ids some always have differences that cancel each other out
 * (linear algebra over two elements): of these one set takes the one id, the other set the other.
 */
function xorTwins(): [string[], string[]] {
  const idOf = (i: number) => BigInt(`0x${createHash('sha256').update(`${i}`).digest('hex')}`)
  const pairs = Array.from({ length: 257 }, (_, i) => [idOf(2 * i), idOf(2 * i + 1)] as const)
  const basis: Array<{ value: bigint; of: bigint }> = []
  let chosen = 0n
  for (const [i, [a, b]] of pairs.entries()) {
    let value = a ^ b
    let of = 1n << BigInt(i)
    for (const row of basis) {
      if ((value ^ row.value) < value) {
        value ^= row.value
        of ^= row.of
      }
    }
    if (value === 0n) {
      chosen = of
      break
    }
    basis.push({ value, of })
    basis.sort((x, y) => (x.value > y.value ? -1 : 1))
  }
  const hexOf = (id: bigint) => id.toString(16).padStart(64, '0')
  const one = pairs.map(([a]) => a)
  const other = pairs.map(([a, b], i) => ((chosen >> BigInt(i)) & 1n ? b : a))
  const xor = (ids: bigint[]) => ids.reduce((sum, id) => sum ^ id, 0n)
  expect(xor(one)).to.equal(xor(other))
  expect(one).to.not.deep.equal(other)
  return [one.map(hexOf), other.map(hexOf)]
}
