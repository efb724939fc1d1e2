import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { signEd25519 } from '../../src/identity/index.ts'
import { Body, Envelope, KIND_NAMES, KINDS, LIMITS, MAX_ATTEMPTS, MalformedMessageError, open, signedBytes } from '../../src/wire/index.ts'
import { alice, bob, cidBytes, equivocation, NETWORK, submission } from './people.ts'

const base = submission('a result').submission!
const spec = readFileSync(new URL('../../protocols/wire/README.md', import.meta.url), 'utf8')
const zeros = (length: number) => new Uint8Array(length)
const announced = (change: object): Body => ({
  cycle: 3,
  slot: 130,
  announcement: { peerId: zeros(38), multiaddrs: [], sequence: 1, expirySlot: 1, ...change }
})
const told = (change: Partial<typeof base>): Body => ({ cycle: 3, slot: 130, submission: { ...base, ...change } })

/** A CID of `length` bytes: identity hashes may be of any length. */
const cidOfLength = (length: number) => Uint8Array.of(1, 0x55, 0, length - 4, ...zeros(length - 4))

/** A submission as long as one can be: its fields at their limits. */
const LONGEST: Body = {
  cycle: Number.MAX_SAFE_INTEGER,
  slot: Number.MAX_SAFE_INTEGER,
  submission: {
    value: zeros(LIMITS.valueBytes),
    proofs: Array.from({ length: LIMITS.proofs }, () => ({
      cid: cidOfLength(LIMITS.cidBytes),
      size: Number.MAX_SAFE_INTEGER,
      blocks: 0xffffffff
    }))
  }
}

function envelopeLength(body: Body): number {
  return Envelope.encode({ body: Body.encode(body), signer: zeros(32), signature: zeros(64) }).length
}

const place = (n: number) => ({ place: n, finding: 2 })
const found = (n: number): Body => ({ cycle: 3, slot: 130, verdicts: { findings: Array.from({ length: n }, (_, i) => place(i)) } })
const apart = (cycles: number): Body => {
  const half = (value: string) => {
    const body = Body.encode({ ...submission(value), cycle: 9 - cycles })
    return { body, signer: alice.publicKey as never, signature: new Uint8Array(signEd25519(signedBytes(NETWORK, body), alice.secretKey)) }
  }
  return { cycle: 9, slot: 130, equivocation: { first: half('a'), second: half('b') } }
}

/** For every bound: a body at it, and one past it. The compiler asks for the new ones. */
const CASES: { [Field in Exclude<keyof typeof LIMITS, 'envelopeBytes'>]: { of: (n: number) => Body; complaint: RegExp } } = {
  valueBytes: { of: (n) => told({ value: zeros(n) }), complaint: /submission.value/ },
  proofs: { of: (n) => told({ proofs: Array.from({ length: n }, () => base.proofs[0]!) }), complaint: /body does not decode/ },
  cidBytes: { of: (n) => told({ proofs: [{ cid: cidOfLength(n), size: 1, blocks: 1 }] }), complaint: /submission.proofs.cid/ },
  multiaddrs: { of: (n) => announced({ multiaddrs: Array.from({ length: n }, () => zeros(8)) }), complaint: /body does not decode/ },
  multiaddrBytes: { of: (n) => announced({ multiaddrs: [zeros(n)] }), complaint: /announcement.multiaddrs/ },
  peerIdBytes: { of: (n) => announced({ peerId: zeros(n) }), complaint: /announcement.peerId/ },
  reasonBytes: {
    of: (n) => ({ cycle: 3, slot: 130, challenge: { subject: zeros(32), submission: zeros(32), finding: 2, reason: 'x'.repeat(n) } }),
    complaint: /challenge.reason/
  },
  findings: { of: found, complaint: /body does not decode/ },
  evidenceCycles: { of: apart, complaint: /has no place in the record/ }
}

describe('wire: limits', () => {
  for (const [field, { of, complaint }] of Object.entries(CASES)) {
    const limit = LIMITS[field as keyof typeof CASES]
    it(`${field}: ${limit} fit, ${limit + 1} do not`, async () => {
      const fits = await alice.says(of(limit))
      expect(open(fits.bytes, NETWORK).id).to.equal(fits.id)
      await rejects(alice.says(of(limit + 1)), complaint)
    })
  }

  it('envelopeBytes: nothing longer is decoded', () => {
    expect(() => open(zeros(LIMITS.envelopeBytes), NETWORK)).to.throw(MalformedMessageError, 'envelope')
    expect(() => open(zeros(LIMITS.envelopeBytes + 1), NETWORK)).to.throw(MalformedMessageError, '4097 bytes')
  })

  it('bounds what a record holds of a staker, whatever it says', async () => {
    const verdicts = { ...found(LIMITS.findings), cycle: Number.MAX_SAFE_INTEGER, slot: Number.MAX_SAFE_INTEGER }
    verdicts.verdicts!.findings = verdicts.verdicts!.findings.map((_, i) => place(0xffffff00 + i))
    const challenge = { ...CASES.reasonBytes.of(LIMITS.reasonBytes), cycle: Number.MAX_SAFE_INTEGER, slot: Number.MAX_SAFE_INTEGER }
    const twice = equivocation(await alice.says(verdicts), await alice.says({ ...verdicts, slot: 1 }))
    const lengths = [LONGEST, verdicts, challenge, { ...twice, slot: Number.MAX_SAFE_INTEGER }].map(envelopeLength)
    expect(lengths[0]! + lengths[1]! + lengths[2]!).to.be.below(2_400)
    expect(lengths[3]).to.be.below(2_400)
    for (const [i, told] of [907, 1_084, 357].entries()) {
      expect(lengths[i]).to.equal(told)
      expect(spec.replaceAll(',', '')).to.contain(String(told))
    }
  })

  it('holds the same bounds for every kind that has such a field', async () => {
    const about = await alice.says(submission('a result'))
    const peerId = zeros(LIMITS.peerIdBytes + 1)
    const multiaddrs = [zeros(LIMITS.multiaddrBytes + 1)]
    const many = Array.from({ length: LIMITS.multiaddrs + 1 }, () => zeros(4))
    const long = 'x'.repeat(LIMITS.reasonBytes + 1)
    const facts = { subject: about.envelope.signer, submission: zeros(32), finding: 2, reason: '' }
    const announcement = { peerId: zeros(38), multiaddrs: [], sequence: 1, expirySlot: 1 }
    const record = { cid: cidBytes('r'), root: zeros(32), totalRewards: 1n, attempt: MAX_ATTEMPTS }
    const tooMuch: Array<[Omit<Body, 'cycle' | 'slot'>, RegExp]> = [
      [{ announcement: { ...announcement, peerId } }, /announcement.peerId/],
      [{ announcement: { ...announcement, multiaddrs } }, /announcement.multiaddrs/],
      [{ announcement: { ...announcement, multiaddrs: many } }, /body does not decode/],
      [{ announcement: { ...announcement, peerId: zeros(0) } }, /announcement.peerId/],
      [{ response: { submission: zeros(33) } }, /response.submission/],
      [{ challenge: { ...facts, reason: long } }, /challenge.reason/],
      [{ challenge: { ...facts, subject: zeros(31) } }, /challenge.subject/],
      [{ challenge: { ...facts, submission: zeros(31) } }, /challenge.submission/],
      [{ challenge: { ...facts, finding: 1 } }, /never finds a submission valid/],
      [{ challenge: { ...facts, finding: 4 } }, /not a finding/],
      [{ verdicts: { findings: [] } }, /without a finding/],
      [{ verdicts: { findings: [{ place: 1, finding: 0 }] } }, /not a finding/],
      [{ verdicts: { findings: [{ place: 1, finding: 4 }] } }, /not a finding/],
      [{ verdicts: { findings: [place(2), place(1)] } }, /do not ascend/],
      [{ verdicts: { findings: [place(2), place(2)] } }, /do not ascend/],
      [{ record }, /fewer than 16 attempts/],
      [{ approval: { cid: record.cid, root: record.root, attempt: MAX_ATTEMPTS } }, /fewer than 16 attempts/],
      [{ record: { cid: cidBytes('r'), root: zeros(31), totalRewards: 1n, attempt: 0 } }, /record.root/],
      [{ record: { cid: zeros(36), root: zeros(32), totalRewards: 1n, attempt: 0 } }, /record.cid/],
      [{ record: { cid: cidOfLength(36), root: zeros(32), totalRewards: 1n, attempt: 0 } }, /record.cid is not the CIDv1/],
      [{ approval: { cid: cidBytes('r'), root: zeros(33), attempt: 0 } }, /approval.root/],
      [{ approval: { cid: cidOfLength(48), root: zeros(32), attempt: 0 } }, /approval.cid/],
      [{ vote: { root: zeros(31), recordDigest: zeros(32), totalRewards: 1n, signature: zeros(64) } }, /vote.root/],
      [{ vote: { root: zeros(32), recordDigest: zeros(33), totalRewards: 1n, signature: zeros(64) } }, /vote.recordDigest/],
      [{ vote: { root: zeros(32), recordDigest: zeros(32), totalRewards: 1n, signature: zeros(63) } }, /vote.signature/],
      [{ submission: { ...base, proofs: [{ cid: Uint8Array.of(7, 7), size: 1, blocks: 1 }] } }, /submission.proofs.cid/],
      [{ equivocation: { first: about.envelope } }, /two envelopes/]
    ]
    for (const [kind, complaint] of tooMuch) {
      await rejects(alice.says({ cycle: 3, slot: 130, ...kind }), complaint)
    }
  })

  it('lets any two messages that may be said once fit in one envelope as evidence', async () => {
    const first = await alice.says(LONGEST)
    const second = await alice.says({ ...LONGEST, submission: { ...LONGEST.submission!, value: zeros(LIMITS.valueBytes).fill(1) } })
    const evidence = await bob.says({ ...equivocation(first, second, Number.MAX_SAFE_INTEGER), cycle: Number.MAX_SAFE_INTEGER })
    expect(evidence.evidence?.offender).to.equal(alice.address)
  })

  it('refuses cycles, slots and sizes that are no safe whole numbers', async () => {
    const about = await alice.says(submission('a'))
    // field 1 (cycle) of the body as a varint of 2^53
    const cycle = Buffer.from('088080808080808010', 'hex')
    const body = Buffer.concat([cycle, Buffer.from(about.envelope.body).subarray(2)])
    const bytes = Envelope.encode({ ...about.envelope, body: new Uint8Array(body) })
    expect(() => open(bytes, NETWORK)).to.throw(MalformedMessageError)
  })

  it('has its kinds retold by the spec', () => {
    const rows = [...spec.matchAll(/^\| `(\w+)` \| \d+ \| (\d+|one for each offence) \| (\w+) \|/gm)]
    const told = rows.map(([, kind, perCycle, window]) => [kind, { perCycle: Number(perCycle!.replace(/^one.*/, 'Infinity')), window }])
    expect(Object.fromEntries(told)).to.deep.equal(
      Object.fromEntries(KIND_NAMES.map((kind) => [kind, { perCycle: KINDS[kind].perCycle, window: KINDS[kind].window }]))
    )
  })

  it('is retold by the spec, number by number', () => {
    const rows = [...spec.matchAll(/^\| `(\w+)` \| (\d+) \| (?:an?|one (?:address)|`|addresses|findings|cycles)/gm)].map(
      ([, name, value]) => [name, Number(value)]
    )
    expect(Object.fromEntries(rows)).to.deep.equal(LIMITS)
  })
})

async function rejects(promise: Promise<unknown>, complaint: RegExp): Promise<void> {
  let error: unknown
  await promise.catch((err) => {
    error = err
  })
  expect(error).to.be.instanceOf(MalformedMessageError)
  expect((error as Error).message).to.match(complaint)
}
