import { createHash } from 'node:crypto'
import bs58 from 'bs58'
import { expect } from 'chai'
import fc from 'fast-check'
import { type Ledger, ledgerLeaf, MAX_AMOUNT, merkleProof, merkleRoot, verifyProof } from '../../src/record/index.ts'
import { byStaker, keyBytes, stakerOrder } from '../../src/record/stakers.ts'
import { GENESIS, TASK } from '../wire/people.ts'
import { alice, bob, carol, stranger } from './cycle.ts'

const amount = fc.bigInt(0n, MAX_AMOUNT)
const ledgers = fc
  .uniqueArray(fc.nat(500), { minLength: 1, maxLength: 40 })
  .chain((numbers) =>
    fc.tuple(...numbers.map((n) => fc.record({ reward: amount, slash: amount }).map((entry) => [stranger(n), entry] as const)))
  )
  .map((entries): Ledger => new Map(entries))

const small: Ledger = new Map([
  [alice.address, { reward: 5n, slash: 0n }],
  [bob.address, { reward: 7n, slash: 2n }],
  [carol.address, { reward: 0n, slash: 1n }]
])

describe('record: the ledger', () => {
  it('has a root of zeros when nobody earned anything', () => {
    expect(merkleRoot(new Map(), TASK)).to.deep.equal(new Uint8Array(32))
    expect(merkleProof(new Map(), TASK, alice.address)).to.equal(null)
  })

  it('has its one leaf as root when one did', () => {
    const entry = { reward: 5n, slash: 0n }
    const ledger = new Map([[alice.address, entry]])
    expect(merkleRoot(ledger, TASK)).to.deep.equal(new Uint8Array(ledgerLeaf(TASK, alice.address, entry)))
    expect(merkleProof(ledger, TASK, alice.address)).to.deep.equal([])
    expect(verifyProof({ root: merkleRoot(ledger, TASK), taskId: TASK, staker: alice.address, entry, proof: [] })).to.equal(true)
  })

  it('never proves anything against the empty root', () => {
    const entry = { reward: 0n, slash: 0n }
    expect(verifyProof({ root: new Uint8Array(32), taskId: TASK, staker: alice.address, entry, proof: [] })).to.equal(false)
  })

  it('proves every leaf, whatever the ledger', () => {
    fc.assert(
      fc.property(ledgers, (ledger) => {
        const root = merkleRoot(ledger, TASK)
        for (const [staker, entry] of ledger) {
          const proof = merkleProof(ledger, TASK, staker)!
          expect(proof.length).to.be.at.most(Math.ceil(Math.log2(ledger.size)))
          expect(verifyProof({ root, taskId: TASK, staker, entry, proof })).to.equal(true)
        }
      }),
      { numRuns: 40 }
    )
  })

  it('proves nothing that was tampered with', () => {
    fc.assert(
      fc.property(ledgers, fc.nat(), fc.nat(), (ledger, pick, bit) => {
        const [staker, entry] = [...ledger][pick % ledger.size]!
        const root = merkleRoot(ledger, TASK)
        const proof = merkleProof(ledger, TASK, staker)!
        const good = { root, taskId: TASK, staker, entry, proof }
        const up = (n: bigint) => (n === MAX_AMOUNT ? n - 1n : n + 1n)
        expect(verifyProof({ ...good, entry: { ...entry, reward: up(entry.reward) } })).to.equal(false)
        expect(verifyProof({ ...good, entry: { ...entry, slash: up(entry.slash) } })).to.equal(false)
        expect(verifyProof({ ...good, staker: stranger(501) })).to.equal(false)
        expect(verifyProof({ ...good, taskId: GENESIS })).to.equal(false)
        expect(verifyProof({ ...good, root: flip(root, bit) })).to.equal(false)
        expect(verifyProof({ ...good, proof: [...proof, new Uint8Array(32)] })).to.equal(false)
        if (proof.length > 0) {
          expect(verifyProof({ ...good, proof: proof.slice(1) })).to.equal(false)
          expect(verifyProof({ ...good, proof: [flip(proof[0]!, bit), ...proof.slice(1)] })).to.equal(false)
          expect(verifyProof({ ...good, proof: [...proof.slice(1), proof[0]!.subarray(1)] })).to.equal(false)
        }
      }),
      { numRuns: 60 }
    )
  })

  it('does not take an inner node for a leaf (second preimage)', () => {
    // a tree whose root is the inner node over two leaves: whoever finds a staker and amounts that hash like the inner
    // node could claim with a proof of one hash less. Without the first byte, these bytes would be such a pair.
    const [a, b] = [ledgerLeaf(TASK, alice.address, small.get(alice.address)!), ledgerLeaf(TASK, bob.address, small.get(bob.address)!)]
    const inner = merkleRoot(new Map([...small].slice(0, 2)), TASK)
    expect(inner).to.deep.equal(new Uint8Array(parent(a, b)))
    const undomained = (bytes: Uint8Array[]) => createHash('sha256').update(Buffer.concat(bytes)).digest()
    expect(Buffer.from(inner)).to.not.deep.equal(undomained([a, b].sort(Buffer.compare)))
    const amounts = Buffer.alloc(16)
    amounts.writeBigUInt64LE(5n)
    expect(a).to.not.deep.equal(undomained([keyBytes(TASK)!, alice.publicKey, amounts]))
    // and no staker of the ledger can leave the lower hashes out
    const root = merkleRoot(small, TASK)
    for (const [staker, entry] of small) {
      const proof = merkleProof(small, TASK, staker)!
      for (const shorter of [[], proof.slice(0, -1), proof.slice(1)].filter(({ length }) => length < proof.length)) {
        expect(verifyProof({ root, taskId: TASK, staker, entry, proof: shorter })).to.equal(false)
      }
    }
  })

  it('goes as deep as the program on K2 and no deeper', () => {
    const entry = { reward: 1n, slash: 0n }
    const proof = Array.from({ length: 24 }, () => new Uint8Array(32))
    const rootOf = (hashes: Uint8Array[]) => {
      let root = new Uint8Array(ledgerLeaf(TASK, alice.address, entry))
      for (const sibling of hashes) {
        root = new Uint8Array(parent(root, sibling))
      }
      return root
    }
    expect(verifyProof({ root: rootOf(proof), taskId: TASK, staker: alice.address, entry, proof })).to.equal(true)
    const longer = [...proof, new Uint8Array(32)]
    expect(verifyProof({ root: rootOf(longer), taskId: TASK, staker: alice.address, entry, proof: longer })).to.equal(false)
  })

  it('has the same root in whatever order it was filled', () => {
    const entries = [...small]
    expect(merkleRoot(new Map(entries.toReversed()), TASK)).to.deep.equal(merkleRoot(small, TASK))
  })

  it('refuses keys that are none and amounts that K2 cannot count', () => {
    expect(() => merkleRoot(small, 'not a key')).to.throw(RangeError, "'not a key'")
    expect(() => merkleRoot(new Map([[bs58.encode(new Uint8Array(31)), { reward: 1n, slash: 0n }]]), TASK)).to.throw(RangeError)
    expect(() => merkleRoot(new Map([[alice.address, { reward: MAX_AMOUNT + 1n, slash: 0n }]]), TASK)).to.throw(RangeError)
  })

  it('carries 10,000 stakers', () => {
    const many: Ledger = new Map(Array.from({ length: 10_000 }, (_, n) => [stranger(n), { reward: BigInt(n + 1), slash: 0n }]))
    const root = merkleRoot(many, TASK)
    const proof = merkleProof(many, TASK, stranger(4321))!
    expect(proof.length).to.be.within(13, 14)
    expect(verifyProof({ root, taskId: TASK, staker: stranger(4321), entry: { reward: 4322n, slash: 0n }, proof })).to.equal(true)
  })
})

describe('record: the order of stakers', () => {
  const key = fc.oneof(
    fc.uint8Array({ minLength: 32, maxLength: 32 }),
    // leading zeros, where base58 is at its oddest
    fc
      .tuple(fc.integer({ min: 1, max: 32 }), fc.uint8Array({ minLength: 32, maxLength: 32 }))
      .map(([zeros, bytes]) => bytes.fill(0, 0, zeros))
  )

  it('is the order of their bytes', () => {
    fc.assert(
      fc.property(key, key, (a, b) => {
        const [orderA, orderB] = [stakerOrder(bs58.encode(a)), stakerOrder(bs58.encode(b))]
        expect(orderA < orderB ? -1 : orderA > orderB ? 1 : 0).to.equal(Buffer.compare(a, b))
      }),
      { numRuns: 2000 }
    )
  })

  it('sorts lists by it and reads only keys of 32 bytes', () => {
    const list = [alice, bob, carol].map(({ address }) => address)
    const sorted = byStaker(list, (s) => s).map((s) => keyBytes(s)!)
    expect(sorted.every((bytes, i) => i === 0 || Buffer.compare(sorted[i - 1]!, bytes) < 0)).to.equal(true)
    expect(keyBytes('0OIl')).to.equal(null)
    expect(keyBytes(bs58.encode(new Uint8Array(33)))).to.equal(null)
  })
})

function flip(bytes: Uint8Array, bit: number): Uint8Array {
  const copy = Uint8Array.from(bytes)
  copy[(bit >> 3) % bytes.length]! ^= 1 << (bit & 7)
  return copy
}

function parent(a: Uint8Array, b: Uint8Array): Uint8Array {
  const [first, second] = Buffer.compare(a, b) <= 0 ? [a, b] : [b, a]
  return createHash('sha256').update(Uint8Array.of(1)).update(first).update(second).digest()
}
