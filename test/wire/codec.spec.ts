import { expect } from 'chai'
import fc from 'fast-check'
import { verifyEd25519 } from '../../src/identity/index.ts'
import {
  Body,
  Envelope,
  KIND_NAMES,
  type Kind,
  LIMITS,
  MAX_ATTEMPTS,
  MalformedMessageError,
  type Message,
  networkOf,
  onceKey,
  open,
  verifySignature
} from '../../src/wire/index.ts'
import { u32, u53, u64 } from '../edges.ts'
import { alice, bob, cidBytes, equivocation, GENESIS, NETWORK, submission, TASK, verdicts } from './people.ts'

const bytes = (max: number, min = 0) => fc.uint8Array({ minLength: min, maxLength: max }).map((b) => new Uint8Array(b))
const exactly = (length: number) => bytes(length, length)
const whole = u53()
const cid = fc.string().map(cidBytes)
const multiaddrs = fc.array(bytes(48), { maxLength: LIMITS.multiaddrs })
const reason = fc
  .string({ maxLength: 40, unit: 'grapheme' })
  .filter((text) => Buffer.byteLength(text) <= LIMITS.reasonBytes && text.isWellFormed())
const attempt = fc.nat(MAX_ATTEMPTS - 1)
const half = (value: string) =>
  exactly(64).map((signature) => ({ body: Body.encode(submission(value)), signer: new Uint8Array(alice.publicKey), signature }))

/** Typed over all kinds: a new kind must say what it may hold. */
const KIND_ARBITRARIES: { [K in Kind]: fc.Arbitrary<NonNullable<Body[K]>> } = {
  announcement: fc.record({ peerId: bytes(64, 1), multiaddrs, sequence: whole, expirySlot: whole }),
  submission: fc.record({
    value: bytes(LIMITS.valueBytes),
    proofs: fc.array(fc.record({ cid, size: whole, blocks: u32() }), { maxLength: LIMITS.proofs })
  }),
  challenge: fc.record({ subject: exactly(32), submission: exactly(32), finding: fc.constantFrom(2, 3), reason }),
  response: fc.record({ submission: exactly(32) }),
  verdicts: fc
    .uniqueArray(u32(), { minLength: 1, maxLength: LIMITS.findings })
    .map((places) => ({ findings: places.sort((a, b) => a - b).map((place) => ({ place, finding: 1 + (place % 3) })) })),
  record: fc.record({ cid, root: exactly(32), totalRewards: u64(), attempt }),
  approval: fc.record({ cid, root: exactly(32), attempt }),
  vote: fc.record({ root: exactly(32), recordDigest: exactly(32), totalRewards: u64(), signature: exactly(64) }),
  equivocation: fc.record({ first: half('a'), second: half('b') })
}

const body = fc
  .constantFrom(...KIND_NAMES)
  .chain((kind) => fc.record({ cycle: whole, slot: whole, kind: fc.constant(kind), content: KIND_ARBITRARIES[kind] }))
  .map(({ cycle, slot, kind, content }): Body => ({ cycle, slot, [kind]: content }))

const verify = verifyEd25519

describe('wire: codec', () => {
  it('gives back every message as it was said, and its signature holds', async () => {
    await fc.assert(
      fc.asyncProperty(body, async (any) => {
        // evidence says which cycle's record it is for: that of its halves
        const said = any.equivocation == null ? any : { ...any, cycle: 3 }
        const sealed = await alice.says(said)
        const heard = open(sealed.bytes, NETWORK)
        expect(heard).to.deep.equal(sealed)
        expect(heard.body).to.deep.equal(said)
        expect(heard.signer).to.equal(alice.address)
        expect(verifySignature(heard, NETWORK, verify)).to.equal(true)
      }),
      { numRuns: 200 }
    )
  })

  it('refuses any bytes with MalformedMessageError and nothing else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (noise) => {
        expect(() => open(noise, NETWORK)).to.throw(MalformedMessageError)
      })
    )
  })

  it('lets no bit of an envelope be changed unnoticed', async () => {
    const { bytes: good } = await alice.says(submission('a result'))
    for (let bit = 0; bit < good.length * 8; bit++) {
      const bad = Uint8Array.from(good)
      bad[bit >> 3]! ^= 1 << (bit & 7)
      let passes: boolean
      try {
        passes = verifySignature(open(bad, NETWORK), NETWORK, verify)
      } catch (err) {
        expect(err).to.be.instanceOf(MalformedMessageError)
        passes = false
      }
      expect(passes, `bit ${bit}`).to.equal(false)
    }
  })

  it('gives a message another id and no valid signature on another network or task', async () => {
    const said = await alice.says(submission('a result'))
    for (const other of [networkOf(TASK, TASK), networkOf(GENESIS, GENESIS)]) {
      const heard = open(said.bytes, other)
      expect(heard.id).to.not.equal(said.id)
      expect(verifySignature(heard, other, verify)).to.equal(false)
    }
  })

  it('gives the same id to the same words signed again, and another to the same words of another', async () => {
    const said = await alice.says(submission('a result'))
    const again = Envelope.encode({ ...said.envelope, signature: new Uint8Array(64) })
    expect(open(again, NETWORK).id).to.equal(said.id)
    expect((await bob.says(submission('a result'))).id).to.not.equal(said.id)
  })

  it('refuses an envelope that was padded on the way', async () => {
    const { bytes: good } = await alice.says(submission('a result'))
    const unknownField = Buffer.concat([good, Buffer.from('7a03000000', 'hex')])
    const twice = Buffer.concat([good, good])
    const misordered = Buffer.concat([good.subarray(-66), good.subarray(0, -66)])
    for (const padded of [unknownField, twice, misordered]) {
      expect(() => Envelope.decode(padded)).to.throw(MalformedMessageError, 'canonical')
      expect(() => open(padded, NETWORK)).to.throw(MalformedMessageError, 'canonical')
    }
  })

  it('refuses a body that was padded by its own signer: a record would have to hold it', async () => {
    const { envelope } = await alice.says(submission('a result'))
    const tag = (padding: string) => Buffer.concat([envelope.body, Buffer.from(padding, 'hex')])
    for (const body of [tag('7a03000000'), tag('1000'), Buffer.concat([envelope.body, envelope.body])]) {
      const padded = Envelope.encode({ ...envelope, body: new Uint8Array(body) })
      expect(() => open(padded, NETWORK)).to.throw(MalformedMessageError, /canonical|exactly one|does not decode/)
    }
  })

  it('refuses a body that holds no kind', async () => {
    const none = Envelope.encode({
      body: Body.encode({ cycle: 1, slot: 2 }),
      signer: alice.publicKey as never,
      signature: new Uint8Array(64)
    })
    expect(() => open(none, NETWORK)).to.throw(MalformedMessageError, 'exactly one kind')
  })
})

describe('wire: what may be said once', () => {
  it('names the same key for what contradicts, and none for what may be repeated', async () => {
    const a = await alice.says(submission('a'))
    const b = await bob.says(submission('b'))
    const stakes = new Map([
      [alice.address, 1n],
      [bob.address, 1n]
    ])
    expect(onceKey(submission('a'))).to.equal(onceKey(submission('b')))
    expect(onceKey(verdicts(stakes, [[alice, 'valid']]))).to.equal(onceKey(verdicts(stakes, [[bob, 'invalid']])))
    expect(onceKey(equivocation(a, b))).to.equal(null)
    const attempt = (n: number): Body => ({ cycle: 1, slot: 1, approval: { cid: cidBytes('r'), root: new Uint8Array(32), attempt: n } })
    expect(onceKey(attempt(0))).to.not.equal(onceKey(attempt(1)))
  })

  it('opens both halves of evidence as the messages that they were', async () => {
    const [first, second] = [await alice.says(submission('a')), await alice.says(submission('b'))]
    const { evidence } = await bob.says(equivocation(first, second))
    expect(evidence).to.deep.equal({ offender: alice.address, kind: 'submission', cycle: 3, halves: [first, second] })
  })

  const proposal = (cycle: number, n: number): Body => ({
    cycle,
    slot: 1,
    record: { cid: cidBytes(`record ${n}`), root: new Uint8Array(32), totalRewards: 1n, attempt: 0 }
  })
  const wrong: Array<[string, () => Promise<[Message, Message]>, RegExp]> = [
    ['of two signers', async () => [await alice.says(submission('a')), await bob.says(submission('b'))], /by one signer/],
    ['of the same words twice', async () => [await alice.says(submission('a')), await alice.says(submission('a'))], /contradict/],
    ['of two cycles', async () => [await alice.says(submission('a')), await alice.says(submission('b', 4))], /one cycle/],
    ['of a cycle to come', async () => [await alice.says(submission('a', 4)), await alice.says(submission('b', 4))], /no place/],
    ['of a cycle long ago', async () => [await alice.says(proposal(0, 1)), await alice.says(proposal(0, 2))], /contradict|no place/],
    ['of proposals of the same cycle', async () => [await alice.says(proposal(3, 1)), await alice.says(proposal(3, 2))], /no place/],
    ['of different things', async () => [await alice.says(submission('a')), await alice.says(proposal(3, 1))], /contradict/]
  ]
  for (const [what, make, complaint] of wrong) {
    it(`refuses evidence ${what}`, async () => {
      const [first, second] = await make()
      const cycle = what === 'of a cycle long ago' ? LIMITS.evidenceCycles + 1 : 3
      await bob.says({ ...equivocation(first, second), cycle }).then(
        () => expect.fail('it opens'),
        (err) => expect(err).to.be.instanceOf(MalformedMessageError).and.have.property('message').that.matches(complaint)
      )
    })
  }

  it('refuses evidence whose half is malformed or missing', async () => {
    const [first, second] = [await alice.says(submission('a')), await alice.says(submission('b'))]
    for (const half of [{ ...second.envelope, signer: new Uint8Array(31) }, undefined]) {
      await bob.says({ cycle: 3, slot: 146, equivocation: { first: first.envelope, ...(half == null ? {} : { second: half }) } }).then(
        () => expect.fail('it opens'),
        (err) => expect(err).to.be.instanceOf(MalformedMessageError)
      )
    }
  })
})
