import { expect } from 'chai'
import fc from 'fast-check'
import { verifyEd25519 } from '../../src/identity/index.ts'
import {
  Body,
  Envelope,
  KIND_NAMES,
  type Kind,
  LIMITS,
  MalformedMessageError,
  networkOf,
  onceKey,
  open,
  openEvidence,
  verifySignature
} from '../../src/wire/index.ts'
import { u32, u53, u64 } from '../edges.ts'
import { alice, bob, cidBytes, equivocation, GENESIS, NETWORK, submission, TASK, verdict } from './people.ts'

const bytes = (max: number, min = 0) => fc.uint8Array({ minLength: min, maxLength: max }).map((b) => new Uint8Array(b))
const exactly = (length: number) => bytes(length, length)
const whole = u53()
const cid = fc.string().map(cidBytes)
const multiaddrs = fc.array(bytes(48), { maxLength: LIMITS.multiaddrs })
const reason = fc
  .string({ maxLength: 40, unit: 'grapheme' })
  .filter((text) => Buffer.byteLength(text) <= LIMITS.reasonBytes && text.isWellFormed())
const half = fc.record({ body: bytes(80), signer: exactly(32), signature: exactly(64) })

/** Typed over all kinds: a new kind must say what it may hold. */
const KIND_ARBITRARIES: { [K in Kind]: fc.Arbitrary<NonNullable<Body[K]>> } = {
  announcement: fc.record({ peerId: bytes(64, 1), multiaddrs, sequence: whole, expirySlot: whole }),
  submission: fc.record({
    value: bytes(LIMITS.valueBytes),
    proofs: fc.array(fc.record({ cid, size: whole, blocks: u32() }), { maxLength: LIMITS.proofs }),
    peerId: bytes(64, 1),
    multiaddrs
  }),
  challenge: fc.record({ subject: exactly(32), submission: exactly(32), finding: fc.constantFrom(2, 3), reason }),
  response: fc.record({ submission: exactly(32), peerId: bytes(64, 1), multiaddrs }),
  verdict: fc.record({ subject: exactly(32), submission: exactly(32), finding: fc.constantFrom(1, 2, 3), reason }),
  record: fc.record({ cid, root: exactly(32), totalRewards: u64(), attempt: u32() }),
  approval: fc.record({ cid, root: exactly(32), attempt: u32() }),
  vote: fc.record({ root: exactly(32), recordDigest: exactly(32), totalRewards: u64(), signature: exactly(64) }),
  equivocation: fc.record({ first: half, second: half })
}

const body = fc
  .constantFrom(...KIND_NAMES)
  .chain((kind) => fc.record({ cycle: whole, slot: whole, kind: fc.constant(kind), content: KIND_ARBITRARIES[kind] }))
  .map(({ cycle, slot, kind, content }): Body => ({ cycle, slot, [kind]: content }))

const verify = verifyEd25519

describe('wire: codec', () => {
  it('gives back every message as it was said, and its signature holds', async () => {
    await fc.assert(
      fc.asyncProperty(body, async (said) => {
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
    expect(onceKey(submission('a'))).to.equal(onceKey(submission('b')))
    expect(onceKey(verdict(a, 'valid'))).to.equal(onceKey(verdict(a, 'invalid', 'no', 149)))
    expect(onceKey(verdict(a, 'valid'))).to.not.equal(onceKey(verdict(b, 'valid')))
    expect(onceKey(equivocation(a, b))).to.equal(null)
    const attempt = (n: number): Body => ({ cycle: 1, slot: 1, approval: { cid: cidBytes('r'), root: new Uint8Array(32), attempt: n } })
    expect(onceKey(attempt(0))).to.not.equal(onceKey(attempt(1)))
  })

  it('opens both halves of evidence as the messages that they were', async () => {
    const [first, second] = [await alice.says(submission('a')), await alice.says(submission('b'))]
    const evidence = await bob.says(equivocation(first, second))
    expect(openEvidence(evidence.body.equivocation!, NETWORK)).to.deep.equal([first, second])
    expect(() => openEvidence({ first: first.envelope }, NETWORK)).to.throw(MalformedMessageError, 'two envelopes')
    const bad = { ...second.envelope, signer: new Uint8Array(31) }
    expect(() => openEvidence({ first: first.envelope, second: bad }, NETWORK)).to.throw(MalformedMessageError, '31 bytes')
  })
})
