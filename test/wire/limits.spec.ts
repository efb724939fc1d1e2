import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { Body, Envelope, KINDS, LIMITS, MalformedMessageError, open } from '../../src/wire/index.ts'
import { alice, bob, cidBytes, equivocation, NETWORK, submission, verdict } from './people.ts'

const base = submission('a result').submission!
const zeros = (length: number) => new Uint8Array(length)
const told = (change: Partial<typeof base>): Body => ({ cycle: 3, slot: 130, submission: { ...base, ...change } })

/** A CID of `length` bytes: identity hashes may be of any length. */
const cidOfLength = (length: number) => Uint8Array.of(1, 0x55, 0, length - 4, ...zeros(length - 4))

/** A submission whose envelope has exactly `length` bytes. */
function submissionOfLength(length: number): Body {
  for (let last = 0; last <= LIMITS.multiaddrBytes; last++) {
    const full = Array.from({ length: 5 }, () => zeros(LIMITS.multiaddrBytes))
    const body = {
      ...told({ multiaddrs: [...full, zeros(last)], value: zeros(320) }),
      cycle: Number.MAX_SAFE_INTEGER,
      slot: Number.MAX_SAFE_INTEGER
    }
    if (envelopeLength(body) === length) {
      return body
    }
  }
  throw new Error(`no submission of ${length} bytes`)
}

function envelopeLength(body: Body): number {
  return Envelope.encode({ body: Body.encode(body), signer: zeros(32), signature: zeros(64) }).length
}

/** Evidence whose envelope has exactly `length` bytes; its halves are opened later, by who looks at the evidence. */
function evidenceOfLength(length: number): Body {
  for (let size = length - 400; size < length; size++) {
    const half = { body: zeros(1500), signer: zeros(32), signature: zeros(64) }
    const body = { cycle: 3, slot: 130, equivocation: { first: half, second: { ...half, body: zeros(size - 1500) } } }
    if (envelopeLength(body) === length) {
      return body
    }
  }
  throw new Error(`no evidence of ${length} bytes`)
}

/** For every bound: a body at it, and one past it. The compiler asks for the new ones. */
const CASES: { [Field in keyof typeof LIMITS]: { of: (n: number) => Body; complaint: RegExp } } = {
  envelopeBytes: { of: evidenceOfLength, complaint: /4097 bytes/ },
  onceBytes: { of: submissionOfLength, complaint: /as evidence/ },
  valueBytes: { of: (n) => told({ value: zeros(n) }), complaint: /submission.value/ },
  proofs: { of: (n) => told({ proofs: Array.from({ length: n }, () => base.proofs[0]!) }), complaint: /body does not decode/ },
  cidBytes: { of: (n) => told({ proofs: [{ cid: cidOfLength(n), size: 1, blocks: 1 }] }), complaint: /submission.proofs.cid/ },
  multiaddrs: { of: (n) => told({ multiaddrs: Array.from({ length: n }, () => zeros(8)) }), complaint: /body does not decode/ },
  multiaddrBytes: { of: (n) => told({ multiaddrs: [zeros(n)] }), complaint: /submission.multiaddrs/ },
  peerIdBytes: { of: (n) => told({ peerId: zeros(n) }), complaint: /submission.peerId/ },
  reasonBytes: {
    of: (n) => ({ cycle: 3, slot: 130, verdict: { subject: zeros(32), submission: zeros(32), finding: 2, reason: 'x'.repeat(n) } }),
    complaint: /verdict.reason/
  }
}

describe('wire: limits', () => {
  for (const [field, { of, complaint }] of Object.entries(CASES)) {
    const limit = LIMITS[field as keyof typeof LIMITS]
    it(`${field}: ${limit} fit, ${limit + 1} do not`, async () => {
      const fits = await alice.says(of(limit))
      expect(open(fits.bytes, NETWORK).id).to.equal(fits.id)
      await rejects(alice.says(of(limit + 1)), complaint)
    })
  }

  it('holds the same bounds for every kind that has such a field', async () => {
    const about = await alice.says(submission('a result'))
    const peerId = zeros(LIMITS.peerIdBytes + 1)
    const multiaddrs = [zeros(LIMITS.multiaddrBytes + 1)]
    const many = Array.from({ length: LIMITS.multiaddrs + 1 }, () => zeros(4))
    const long = 'x'.repeat(LIMITS.reasonBytes + 1)
    const facts = { subject: about.envelope.signer, submission: zeros(32), finding: 2, reason: '' }
    const announcement = { peerId: zeros(38), multiaddrs: [], sequence: 1, expirySlot: 1 }
    const response = { submission: zeros(32), peerId: zeros(38), multiaddrs: [] }
    const tooMuch: Array<[Omit<Body, 'cycle' | 'slot'>, RegExp]> = [
      [{ announcement: { ...announcement, peerId } }, /announcement.peerId/],
      [{ announcement: { ...announcement, multiaddrs } }, /announcement.multiaddrs/],
      [{ announcement: { ...announcement, multiaddrs: many } }, /body does not decode/],
      [{ announcement: { ...announcement, peerId: zeros(0) } }, /announcement.peerId/],
      [{ response: { ...response, peerId } }, /response.peerId/],
      [{ response: { ...response, multiaddrs } }, /response.multiaddrs/],
      [{ response: { ...response, multiaddrs: many } }, /body does not decode/],
      [{ response: { ...response, submission: zeros(33) } }, /response.submission/],
      [{ challenge: { ...facts, reason: long } }, /challenge.reason/],
      [{ challenge: { ...facts, subject: zeros(31) } }, /challenge.subject/],
      [{ challenge: { ...facts, submission: zeros(31) } }, /challenge.submission/],
      [{ challenge: { ...facts, finding: 1 } }, /never finds a submission valid/],
      [{ challenge: { ...facts, finding: 4 } }, /not a finding/],
      [{ verdict: { ...facts, finding: 0 } }, /not a finding/],
      [{ verdict: { ...facts, subject: zeros(33) } }, /verdict.subject/],
      [{ verdict: { ...facts, submission: zeros(0) } }, /verdict.submission/],
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
    const longest = submissionOfLength(LIMITS.onceBytes)
    const first = await alice.says(longest)
    const second = await alice.says({ ...longest, submission: { ...longest.submission!, value: new Uint8Array(320).fill(1) } })
    const evidence = await bob.says({ ...equivocation(first, second, Number.MAX_SAFE_INTEGER), cycle: Number.MAX_SAFE_INTEGER })
    expect(evidence.bytes.length)
      .to.be.at.most(LIMITS.envelopeBytes)
      .and.above(LIMITS.envelopeBytes - 40)
  })

  it('refuses cycles, slots and sizes that are no safe whole numbers', async () => {
    const about = await alice.says(verdict(await bob.says(submission('a')), 'valid'))
    // field 1 (cycle) of the body as a varint of 2^53
    const cycle = Buffer.from('088080808080808010', 'hex')
    const body = Buffer.concat([cycle, Buffer.from(about.envelope.body).subarray(2)])
    const bytes = Envelope.encode({ ...about.envelope, body: new Uint8Array(body) })
    expect(() => open(bytes, NETWORK)).to.throw(MalformedMessageError)
  })

  const spec = readFileSync(new URL('../../protocols/wire/README.md', import.meta.url), 'utf8')

  it('has its kinds retold by the spec', () => {
    const rows = [...spec.matchAll(/^\| `(\w+)` \| \d+ \| (\d+) \| (\w+) \|/gm)]
    expect(Object.fromEntries(rows.map(([, kind, perCycle, window]) => [kind, { perCycle: Number(perCycle), window }]))).to.deep.equal(
      KINDS
    )
  })

  it('is retold by the spec, number by number', () => {
    const rows = [...spec.matchAll(/^\| `(\w+)` \| (\d+) \| (?:an?|one|`|addresses)/gm)].map(([, name, value]) => [name, Number(value)])
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
