/**
 * Writes protocols/wire/vectors: run by hand when the protocol changes, never by the tests.
 *
 *     node test/wire/make-vectors.ts
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { signEd25519 } from '../../src/identity/index.ts'
import { Body, Envelope, LIMITS, type Message, networkOf, onceKey, open, signedBytes } from '../../src/wire/index.ts'
import { plain, type WireVector } from '../vectors/wire.ts'
import { alice, bob, challenge, cidBytes, equivocation, GENESIS, NETWORK, response, submission, TASK, verdict } from './people.ts'

const dir = join(import.meta.dirname, '..', '..', 'protocols', 'wire', 'vectors')
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
const work = await alice.says(submission('a result'))
const other = await alice.says(submission('another result'))
const accusation = await bob.says(challenge(work, 'invalid', 'the sums do not add up'))

const good: Array<[string, string, Body]> = [
  [
    'announcement',
    'alice says where she is.',
    { cycle: 3, slot: 125, announcement: { peerId: base.peerId, multiaddrs: base.multiaddrs, sequence: 7, expirySlot: 900 } }
  ],
  ['submission', 'alice submits a value with one proof.', submission('a result')],
  [
    'submission-empty',
    'A value of nothing, no proofs: zero-length fields are left out of the bytes.',
    { cycle: 0, slot: 0, submission: { ...base, value: zeros(0), proofs: [], multiaddrs: [] } }
  ],
  ['challenge', "alice's submission is challenged.", challenge(work, 'unavailable', 'nobody serves it')],
  ['response', 'alice says where her proof is.', response(work)],
  ['verdict-valid', 'A verdict for it.', verdict(work, 'valid')],
  ['verdict-invalid', 'A verdict against it, with a reason in UTF-8.', verdict(work, 'invalid', 'Summe ≠ 42')],
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
  [
    'cycle-2-to-the-53-less-1',
    'The largest cycle and slot.',
    { ...submission('late'), cycle: Number.MAX_SAFE_INTEGER, slot: Number.MAX_SAFE_INTEGER }
  ]
]
for (const [name, description, body] of good) {
  const message = await (name === 'challenge' || name.startsWith('verdict') || name === 'equivocation' ? bob : alice).says(body)
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
    'once-over-1980',
    'A submission too long to be evidence beside another.',
    submitting({ value: zeros(512), multiaddrs: Array.from({ length: 5 }, () => zeros(256)) })
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
  ['multiaddrs-9', 'Nine addresses.', submitting({ multiaddrs: Array.from({ length: 9 }, () => zeros(4)) })],
  ['multiaddr-257-bytes', 'An address of 257 bytes.', submitting({ multiaddrs: [zeros(257)] })],
  ['peer-id-missing', 'No PeerId.', submitting({ peerId: zeros(0) })],
  ['peer-id-65-bytes', 'A PeerId of 65 bytes.', submitting({ peerId: zeros(65) })],
  ['verdict-finding-0', 'A verdict that finds nothing.', saying({ verdict: { ...facts, finding: 0 } })],
  ['verdict-finding-4', 'A finding that does not exist.', saying({ verdict: { ...facts, finding: 4 } })],
  ['verdict-reason-161-bytes', 'A reason of 161 bytes.', saying({ verdict: { ...facts, reason: 'x'.repeat(161) } })],
  ['verdict-subject-31-bytes', 'A subject of 31 bytes.', saying({ verdict: { ...facts, subject: zeros(31) } })],
  ['challenge-finding-valid', 'A challenge that finds nothing wrong.', saying({ challenge: { ...facts, finding: 1 } })],
  [
    'response-submission-33-bytes',
    'A message id of 33 bytes.',
    saying({ response: { submission: zeros(33), peerId: base.peerId, multiaddrs: [] } })
  ],
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
  ['equivocation-half', 'Evidence of one message.', saying({ equivocation: { first: accusation.envelope } })]
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
