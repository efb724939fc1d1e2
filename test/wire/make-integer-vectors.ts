/**
 * Writes the vectors in protocols/wire/vectors that are about whole numbers: run by hand when the protocol changes, never by the tests.
 *
 *     node test/wire/make-integer-vectors.ts
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { signEd25519 } from '../../src/identity/index.ts'
import { Body, Envelope, onceKey, open, signedBytes } from '../../src/wire/index.ts'
import { U64_EDGES } from '../edges.ts'
import { plain, type WireVector } from '../vectors/wire.ts'
import { alice, cidBytes, GENESIS, NETWORK, submission, TASK } from './people.ts'

const dir = join(import.meta.dirname, '..', '..', 'protocols', 'wire', 'vectors')
const zeros = (length: number) => new Uint8Array(length)
const record = { cid: cidBytes('record'), root: zeros(32).fill(3), totalRewards: 0n, attempt: 0 }
const vote = { root: zeros(32).fill(3), recordDigest: zeros(32).fill(4), totalRewards: 0n, signature: zeros(64).fill(5) }
const announcement = { peerId: Uint8Array.of(0, 1, 7), multiaddrs: [], sequence: 1, expirySlot: 900 }

function write(name: string, vector: Pick<WireVector, 'description' | 'expect' | 'complaint' | 'message'>, bytes: Uint8Array): void {
  const { description, ...rest } = vector
  const whole: WireVector = { description, genesisHash: GENESIS, taskId: TASK, bytes: Buffer.from(bytes).toString('hex'), ...rest }
  writeFileSync(join(dir, `${name}.json`), `${JSON.stringify(whole, null, 2)}\n`)
}

async function good(name: string, description: string, body: Body): Promise<void> {
  const message = await alice.says(body)
  const { id, kind, signer } = message
  const told = plain({ id, kind, signer, onceKey: onceKey(body), body: message.body }) as NonNullable<WireVector['message']>
  write(`good-${name}`, { description, expect: 'ok', message: told }, message.bytes)
}

/** A body that no encoder of ours makes, signed by alice. */
function malformed(name: string, description: string, body: Uint8Array): void {
  const bytes = new Uint8Array(body)
  const signature = new Uint8Array(signEd25519(signedBytes(NETWORK, bytes), alice.secretKey))
  const envelope = Envelope.encode({ body: bytes, signer: new Uint8Array(alice.publicKey), signature })
  try {
    open(envelope, NETWORK)
  } catch (err) {
    const complaint = (err as Error).message.replace(/(does not decode).*/s, '$1')
    write(`malformed-${name}`, { description, expect: 'MalformedMessageError', complaint }, envelope)
    return
  }
  throw new Error(`${name} opens`)
}

for (const [name, value] of U64_EDGES) {
  const facts = { cycle: 3, slot: 151 }
  await good(`record-total-${name}`, `A proposal with total rewards of ${value}.`, { ...facts, record: { ...record, totalRewards: value } })
  await good(`vote-total-${name}`, `A final vote with total rewards of ${value}.`, { ...facts, vote: { ...vote, totalRewards: value } })
  if (value > 0n && value < 2n ** 53n - 1n) {
    await good(`cycle-${name}`, `Cycle and slot ${value}.`, { ...submission('late'), cycle: Number(value), slot: Number(value) })
  }
  if (value < 2n ** 32n) {
    const work = submission('counted')
    work.submission!.proofs[0]!.blocks = Number(value)
    await good(`submission-blocks-${name}`, `A proof of ${value} blocks.`, work)
  }
}

const hex = (text: string) => Buffer.from(text, 'hex')
const varint = (value: bigint): Buffer => {
  const bytes: number[] = []
  let rest = value
  for (; rest > 127n; rest >>= 7n) {
    bytes.push(Number(rest & 127n) | 128)
  }
  return Buffer.from([...bytes, Number(rest)])
}
const nested = (tag: string, content: Uint8Array) => Buffer.concat([hex(tag), varint(BigInt(content.length)), content])
/** Cycle 3 and slot 151, then one kind with `content`. */
const saying = (tag: string, ...content: Uint8Array[]) => Buffer.concat([hex('0803109701'), nested(tag, Buffer.concat(content))])
const head = Buffer.concat([nested('0a', record.cid), nested('12', record.root)])
/** A record whose total is written as `total`. */
const totalling = (total: Uint8Array) => saying('42', head, hex('18'), total)

malformed('record-total-2-to-the-64', 'Total rewards that do not fit 64 bits.', totalling(varint(2n ** 64n)))
malformed('record-total-70-bits', 'Total rewards of ten bytes with all their bits set.', totalling(hex('ffffffffffffffffff7f')))
malformed('record-total-eleven-bytes', 'Total rewards of eleven bytes.', totalling(hex('8080808080808080808001')))
malformed('record-total-overlong', 'Total rewards of 5, in two bytes.', totalling(hex('8500')))
malformed('record-total-cut-short', 'Total rewards whose last byte is missing.', totalling(hex('85')))
malformed('record-total-zero-spelled-out', 'Total rewards of 0, which the bytes have to leave out.', totalling(hex('00')))
malformed('record-attempt-2-to-the-32', 'An attempt that does not fit 32 bits.', saying('42', head, hex('20'), varint(2n ** 32n)))
malformed(
  'record-longer-than-the-body',
  'A record that says it is longer than what is there.',
  Buffer.concat([hex('080310970142'), hex('7f'), head])
)
for (const [tag, field] of [
  ['18', 'sequence'],
  ['20', 'expiry-slot']
] as const) {
  const peer = nested('0a', announcement.peerId)
  malformed(
    `announcement-${field}-2-to-the-53`,
    `An announcement's ${field} that is no safe whole number.`,
    saying('1a', peer, hex(tag), varint(2n ** 53n))
  )
}
malformed('slot-2-to-the-53', 'A slot that is no safe whole number.', Buffer.concat([hex('080310'), varint(2n ** 53n), nested('42', head)]))
malformed(
  'cycle-2-to-the-64-less-1',
  'A cycle of 64 bits.',
  Buffer.concat([hex('08'), varint(2n ** 64n - 1n), hex('109701'), nested('42', head)])
)
malformed('cycle-overlong', 'Cycle 3 in two bytes.', Buffer.concat([hex('088300109701'), nested('42', head)]))
const proof = nested('12', Buffer.concat([nested('0a', cidBytes('proof')), hex('10'), varint(2n ** 53n)]))
malformed(
  'proof-size-2-to-the-53',
  'A proof whose size is no safe whole number.',
  saying('22', nested('0a', hex('61')), proof, nested('1a', announcement.peerId))
)

const fine = Buffer.from(Body.encode({ cycle: 3, slot: 151, record }))
malformed('body-unknown-field', 'A body with a field that it does not have.', Buffer.concat([fine, hex('f80301')]))
malformed('body-fields-misordered', 'A body that says the slot before the cycle.', Buffer.concat([hex('1097010803'), fine.subarray(5)]))
malformed('body-field-twice', 'A body that says its cycle twice.', Buffer.concat([hex('0803'), fine]))
malformed('body-wire-type', 'A body whose cycle is written as bytes.', Buffer.concat([hex('0a03'), fine.subarray(2)]))
malformed('body-group', 'A body with the beginning of a group, which proto3 does not have.', Buffer.concat([fine, hex('7b')]))
