/**
 * Writes protocols/wire/vectors: run by hand when the protocol changes, never by the tests.
 *
 *     node test/wire/make-vectors.ts
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { signEd25519 } from '../../src/identity/index.ts'
import { Body, Envelope, LIMITS, type Message, networkOf, onceKey, open, signedBytes } from '../../src/wire/index.ts'
import { plain, type WireVector } from '../vectors/wire.ts'
import { alice, bob, challenge, cidBytes, equivocation, GENESIS, NETWORK, response, submission, TASK } from './people.ts'

const dir = join(import.meta.dirname, '..', '..', 'protocols', 'wire', 'vectors')
// what no longer exists goes
rmSync(dir, { recursive: true, force: true })
mkdirSync(dir, { recursive: true })
const zeros = (length: number) => new Uint8Array(length)

function write(
  name: string,
  description: string,
  bytes: Uint8Array,
  expect: WireVector['expect'],
  message?: Message,
  complaint?: string
): void {
  const vector: WireVector = {
    description,
    genesisHash: GENESIS,
    taskId: TASK,
    bytes: Buffer.from(bytes).toString('hex'),
    expect,
    ...(complaint == null ? {} : { complaint }),
    ...(message == null
      ? {}
      : {
          message: plain({
            id: message.id,
            kind: message.kind,
            signer: message.signer,
            onceKey: onceKey(message.body),
            body: message.body
          }) as NonNullable<WireVector['message']>
        })
  }
  writeFileSync(join(dir, `${name}.json`), `${JSON.stringify(vector, null, 2)}\n`)
}

const base = submission('a result').submission!
const place = {
  peerId: Uint8Array.of(0, 36, 8, 1, 18, 32, ...alice.publicKey),
  multiaddrs: [Uint8Array.of(4, 127, 0, 0, 1, 6, 0x1f, 0x90)]
}
const work = await alice.says(submission('a result'))
const other = await alice.says(submission('another result'))
const accusation = await bob.says(challenge(work, 'invalid', 'the sums do not add up'))
const proposing = (name: string): Body => ({
  cycle: 3,
  slot: 151,
  record: { cid: new Uint8Array(cidBytes(name)), root: zeros(32), totalRewards: 1n, attempt: 0 }
})
const proposals = [await alice.says(proposing('one')), await alice.says(proposing('two'))] as const

const good: Array<[string, string, Body]> = [
  ['announcement', 'alice says where she is.', { cycle: 3, slot: 125, announcement: { ...place, sequence: 7, expirySlot: 900 } }],
  ['submission', 'alice submits a value with one proof.', submission('a result')],
  [
    'submission-empty',
    'A value of nothing, no proofs: zero-length fields are left out of the bytes.',
    { cycle: 0, slot: 0, submission: { value: zeros(0), proofs: [] } }
  ],
  ['challenge', "alice's submission is challenged.", challenge(work, 'unavailable', 'nobody serves it')],
  ['challenge-reason', 'A reason in UTF-8.', challenge(work, 'invalid', 'Summe ≠ 42')],
  ['response', 'alice says that her proof can be had.', response(work)],
  [
    'verdicts',
    'What bob found of three: the first staker, whose place 0 the bytes leave out, one of 10,000, and the last that there can be.',
    {
      cycle: 3,
      slot: 148,
      verdicts: {
        findings: [
          { place: 0, finding: 1 },
          { place: 9_999, finding: 2 },
          { place: 2 ** 32 - 1, finding: 3 }
        ]
      }
    }
  ],
  [
    'record',
    'A proposal, with totals past 2^53.',
    {
      cycle: 3,
      slot: 151,
      record: { cid: new Uint8Array(cidBytes('record')), root: zeros(32).fill(3), totalRewards: 2n ** 64n - 1n, attempt: 2 }
    }
  ],
  [
    'approval',
    'An approval of attempt 0, which the bytes leave out.',
    { cycle: 3, slot: 152, approval: { cid: new Uint8Array(cidBytes('record')), root: zeros(32).fill(3), attempt: 0 } }
  ],
  [
    'vote',
    'A final vote, for whoever sends it to K2.',
    {
      cycle: 3,
      slot: 153,
      vote: { root: zeros(32).fill(3), recordDigest: zeros(32).fill(4), totalRewards: 2n ** 64n - 1n, signature: zeros(64).fill(5) }
    }
  ],
  ['equivocation', 'Two submissions of alice for one cycle.', equivocation(work, other)],
  ['equivocation-later', 'The same, for the record of four cycles later.', { ...equivocation(work, other), cycle: 7 }],
  ['equivocation-proposals', "Two proposals of alice in cycle 3, for cycle 4's record.", { ...equivocation(...proposals), cycle: 4 }],
  [
    'cycle-2-to-the-53-less-1',
    'The largest cycle and slot.',
    { ...submission('late'), cycle: Number.MAX_SAFE_INTEGER, slot: Number.MAX_SAFE_INTEGER }
  ]
]
for (const [name, description, body] of good) {
  const message = await (/^(challenge|verdicts|equivocation)/.test(name) ? bob : alice).says(body)
  write(`good-${name}`, description, message.bytes, 'ok', message)
}

const tampered = { ...work.envelope, signature: new Uint8Array(work.envelope.signature) }
tampered.signature[0]! ^= 1
write('bad-signature-one-bit', 'One bit of the signature is flipped.', Envelope.encode(tampered), 'bad-signature', work)
const elsewhere = await alice.says(submission('a result'), networkOf(GENESIS, GENESIS))
write('bad-signature-of-another-task', 'Signed for another task: the same words do not count here.', elsewhere.bytes, 'bad-signature', work)
const framed = await bob.says(submission('a result'))
const claimed = { ...framed.envelope, signer: work.envelope.signer }
write('bad-signature-of-another-signer', "bob's signature under alice's name.", Envelope.encode(claimed), 'bad-signature', work)

/** Signed by alice, whatever it is. */
function envelope(body: Uint8Array, change: Partial<Envelope> = {}): Uint8Array {
  const bytes = new Uint8Array(body)
  const signature = new Uint8Array(signEd25519(signedBytes(NETWORK, bytes), alice.secretKey))
  return Envelope.encode({ body: bytes, signer: new Uint8Array(alice.publicKey), signature, ...change })
}
const saying = (body: Partial<Body>) => envelope(Body.encode({ cycle: 3, slot: 130, ...body }))
const telling = (change: object) => saying({ announcement: { ...place, sequence: 1, expirySlot: 900, ...change } })
const finding = (...findings: Array<{ place: number; finding: number }>) => saying({ verdicts: { findings } })
const submitting = (change: Partial<typeof base>) => saying({ submission: { ...base, ...change } })
const facts = { subject: new Uint8Array(alice.publicKey), submission: zeros(32), finding: 2, reason: '' }
const bulky = { body: zeros(1900), signer: zeros(32), signature: zeros(64) }

const malformed: Array<[string, string, Uint8Array]> = [
  ['empty', 'No bytes.', zeros(0)],
  ['noise', 'Bytes that are no protobuf.', Uint8Array.of(0xff, 0xff, 0xff, 0xff)],
  ['cut-short', 'The last byte is missing.', work.bytes.slice(0, -1)],
  [
    'envelope-over-4096',
    'An envelope of more than 4,096 bytes.',
    saying({ equivocation: { first: bulky, second: { ...bulky, body: zeros(2100) } } })
  ],
  [
    'unknown-field',
    'A field that the envelope does not have, added on the way.',
    Buffer.concat([work.bytes, Buffer.from('7a0100', 'hex')])
  ],
  ['fields-twice', 'The envelope twice in a row.', Buffer.concat([work.bytes, work.bytes])],
  ['fields-misordered', 'The signature comes first.', Buffer.concat([work.bytes.slice(-66), work.bytes.slice(0, -66)])],
  ['signer-31-bytes', 'A signer of 31 bytes.', envelope(work.envelope.body, { signer: zeros(31) })],
  ['signature-63-bytes', 'A signature of 63 bytes.', envelope(work.envelope.body, { signature: zeros(63) })],
  ['no-kind', 'A body that says nothing.', saying({})],
  [
    'cycle-2-to-the-53',
    'A cycle that is no safe whole number.',
    envelope(Buffer.concat([Buffer.from('088080808080808010', 'hex'), Buffer.from(work.envelope.body).subarray(2)]))
  ],
  ['value-513-bytes', 'A value of 513 bytes.', submitting({ value: zeros(LIMITS.valueBytes + 1) })],
  ['proofs-5', 'Five proofs.', submitting({ proofs: Array.from({ length: 5 }, () => base.proofs[0]!) })],
  ['proof-no-cid', 'A proof whose CID is none.', submitting({ proofs: [{ cid: Uint8Array.of(9, 9), size: 1, blocks: 1 }] })],
  ['multiaddrs-9', 'Nine addresses.', telling({ multiaddrs: Array.from({ length: 9 }, () => zeros(4)) })],
  ['multiaddr-257-bytes', 'An address of 257 bytes.', telling({ multiaddrs: [zeros(257)] })],
  ['peer-id-missing', 'No PeerId.', telling({ peerId: zeros(0) })],
  ['peer-id-65-bytes', 'A PeerId of 65 bytes.', telling({ peerId: zeros(65) })],
  ['verdicts-none', 'Verdicts without a finding.', finding()],
  ['verdicts-finding-0', 'A finding of nothing.', finding({ place: 1, finding: 0 })],
  ['verdicts-finding-4', 'A finding that does not exist.', finding({ place: 1, finding: 4 })],
  ['verdicts-place-twice', 'A place twice.', finding({ place: 1, finding: 2 }, { place: 1, finding: 1 })],
  ['verdicts-unsorted', 'Places not in order.', finding({ place: 2, finding: 2 }, { place: 1, finding: 2 })],
  ['verdicts-97', 'Ninety-seven findings.', finding(...Array.from({ length: 97 }, (_, i) => ({ place: i, finding: 2 })))],
  ['challenge-reason-161-bytes', 'A reason of 161 bytes.', saying({ challenge: { ...facts, reason: 'x'.repeat(161) } })],
  ['challenge-subject-31-bytes', 'A subject of 31 bytes.', saying({ challenge: { ...facts, subject: zeros(31) } })],
  [
    'body-unknown-field',
    'A field that bodies do not have, added by the signer itself.',
    envelope(Buffer.concat([work.envelope.body, Buffer.from('7a0100', 'hex')]))
  ],
  ['body-fields-twice', 'The slot twice.', envelope(Buffer.concat([work.envelope.body, Buffer.from('108201', 'hex')]))],
  [
    'record-attempt-16',
    'An attempt that no round has.',
    saying({ record: { cid: new Uint8Array(cidBytes('record')), root: zeros(32), totalRewards: 0n, attempt: 16 } })
  ],
  ['challenge-finding-valid', 'A challenge that finds nothing wrong.', saying({ challenge: { ...facts, finding: 1 } })],
  ['response-submission-33-bytes', 'A message id of 33 bytes.', saying({ response: { submission: zeros(33) } })],
  [
    'record-cid-raw',
    'A proposal whose CID is of the raw codec.',
    saying({ record: { cid: Uint8Array.of(1, 0x55, 0x12, 32, ...zeros(32)), root: zeros(32), totalRewards: 0n, attempt: 0 } })
  ],
  [
    'record-root-31-bytes',
    'A root of 31 bytes.',
    saying({ record: { cid: new Uint8Array(cidBytes('record')), root: zeros(31), totalRewards: 0n, attempt: 0 } })
  ],
  ['equivocation-half', 'Evidence of one message.', saying({ equivocation: { first: accusation.envelope } })],
  ['equivocation-same', 'Evidence of one message twice.', saying({ equivocation: { first: work.envelope, second: work.envelope } })],
  ['equivocation-two-signers', 'Evidence of two stakers.', saying({ equivocation: { first: work.envelope, second: framed.envelope } })],
  [
    'equivocation-repeatable',
    'Evidence of what may be said again.',
    saying({ equivocation: { first: accusation.envelope, second: accusation.envelope } })
  ],
  [
    'equivocation-of-a-later-cycle',
    'Evidence for the record of a cycle before its own.',
    saying({ cycle: 2, equivocation: { first: work.envelope, second: other.envelope } })
  ],
  [
    'equivocation-five-cycles-later',
    'Evidence for a record too late.',
    saying({ cycle: 8, equivocation: { first: work.envelope, second: other.envelope } })
  ],
  [
    'equivocation-proposals-same-cycle',
    'Evidence about proposals for the very record that they proposed.',
    saying({ equivocation: { first: proposals[0].envelope, second: proposals[1].envelope } })
  ]
]
for (const [name, description, bytes] of malformed) {
  write(`malformed-${name}`, description, bytes, 'MalformedMessageError', undefined, complaintAbout(bytes))
}

/** What the decoder says, up to where the protobuf library takes the word. */
function complaintAbout(bytes: Uint8Array): string {
  try {
    open(bytes, NETWORK)
  } catch (err) {
    return (err as Error).message.replace(/(does not decode).*/s, '$1')
  }
  throw new Error('it opens')
}
