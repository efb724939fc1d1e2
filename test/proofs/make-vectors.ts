/**
 * Writes protocols/proofs/vectors/json-*: run by hand when the form changes, never by the tests.
 *
 *     node test/proofs/make-vectors.ts
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as dagCbor from '@ipld/dag-cbor'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { buildRecord, tally } from '../../src/record/index.ts'
import { inputs } from '../record/cycle.ts'
import { textOf } from '../vectors/proofs.ts'
import { alice, submission } from '../wire/people.ts'

async function block(bytes: Uint8Array, code = 0x71) {
  return { cid: CID.createV1(code, await sha256.digest(bytes)), bytes }
}

async function write(name: string, description: string, blocks: Array<{ cid: CID; bytes: Uint8Array }>): Promise<void> {
  const list = blocks.map(({ cid, bytes }) => ({ cid: cid.toString(), bytes: Buffer.from(bytes).toString('hex') }))
  const path = join(import.meta.dirname, '../../protocols/proofs/vectors', `json-${name}.json`)
  writeFileSync(path, `${JSON.stringify({ description, blocks: list, text: await textOf(blocks) }, null, 2)}\n`)
}

const cycle = inputs({
  messages: [await alice.says(submission('work of alice'))],
  bounty: 2n ** 60n,
  ledger: new Map([[alice.address, { reward: 2n ** 63n, slash: 0n }]])
})
const { blocks } = buildRecord(cycle, tally(cycle), [{ staker: alice.address, amount: 2n ** 60n - 1n }])
await write('record', 'A record and its ledger, with amounts that a double cannot hold.', blocks)

const raw = await block(Buffer.from('a raw block'), 0x55)
const empty = await block(new Uint8Array(0), 0x55)
const values = {
  integers: [0, 23, -1, 2 ** 53 - 1, 2n ** 53n, 2n ** 64n - 1n, -(2n ** 64n)],
  floats: [0.5, -1.25e-7, 1e300, 2 ** 60],
  text: ['', 'ünï, \u0000 and \ud83d\ude00'],
  bytes: [0, 1, 2, 3, 4].map((length) => new Uint8Array(length).fill(255)),
  simple: [null, true, false],
  keys: { bb: 1, a: 2, '10': 3, '9': 4, '': 5 },
  links: [raw.cid, empty.cid]
}
await write('values', 'Values of every kind, with a raw block, and the one without bytes.', [
  await block(dagCbor.encode(values)),
  raw,
  empty
])

const half = Buffer.from('fb3ff0000000000000', 'hex')
await write('float-one', 'The float 1.0, which JSON would take for the integer: the block is its bytes.', [await block(half)])
await write('map-like-a-link', 'A map with the key "/", as a link has in JSON: the block is its bytes.', [
  await block(dagCbor.encode({ '/': raw.cid.toString() }))
])
await write('bytes-alone', 'A dag-cbor block that is one byte string: written as a value, it looks like bytes of a block.', [
  await block(dagCbor.encode(Uint8Array.of(1, 2, 3)))
])
