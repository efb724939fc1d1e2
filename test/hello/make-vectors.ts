/**
 * Makes the vectors of protocols/hello about announcements that follow each other. Run it when the protocol changes:
 *
 *     node test/hello/make-vectors.ts
 */
import { writeFileSync } from 'node:fs'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { seal } from '../../src/wire/index.ts'
import { GENESIS, keyOf, NETWORK, NOW, seed, signerOf, TASK, TIMING } from '../network/mesh.ts'

const YEAR_2099_MS = 4_070_908_800_000
const YEAR_2026_MS = 1_796_000_000_000

async function frame(node: string, slot: number, sequence: number, expirySlot = slot + 4 * TIMING.roundSlots) {
  const peerId = peerIdFromPrivateKey(await generateKeyPairFromSeed('Ed25519', seed(`node/${node}`)))
  const announcement = { peerId: new Uint8Array(peerId.toMultihash().bytes), multiaddrs: [], sequence, expirySlot }
  const message = await seal({ cycle: 3, slot, announcement }, NETWORK, signerOf(keyOf('alice')))
  return { frame: Buffer.from(message.bytes).toString('hex'), remotePeer: peerId.toString() }
}

async function write(name: string, description: string, said: object, before: object[], expect: string) {
  const vector = {
    description,
    kind: 'hello',
    genesisHash: GENESIS,
    taskId: TASK,
    roundSlots: TIMING.roundSlots,
    ...(before.length === 0 ? {} : { before }),
    ...said,
    slot: NOW,
    stakers: [keyOf('alice').address],
    expect
  }
  writeFileSync(new URL(`../../protocols/hello/vectors/${name}.json`, import.meta.url), `${JSON.stringify(vector, null, 2)}\n`)
}

const wrongClock = await frame('alice', NOW - 10, YEAR_2099_MS)
await write('good-longest', 'It holds for eight rounds.', await frame('alice', NOW, 1, NOW + 8 * TIMING.roundSlots), [], 'ok')
await write(
  'too-long',
  'It is to hold for a slot more than eight rounds.',
  await frame('alice', NOW, 1, NOW + 8 * TIMING.roundSlots + 1),
  [],
  'too-long'
)
await write(
  'good-later-slot',
  "Said in a later slot, with a smaller sequence number and another PeerId: alice's clock was wrong before, and her node key is new.",
  await frame('alice-2', NOW, YEAR_2026_MS),
  [wrongClock],
  'ok'
)
await write(
  'good-same-peer-again',
  'Said in the same slot, with a smaller sequence number, by the same PeerId.',
  await frame('alice', NOW - 10, YEAR_2026_MS),
  [wrongClock],
  'ok'
)
await write(
  'stale-earlier-slot',
  'Of another PeerId, said in an earlier slot, whatever its sequence number.',
  await frame('alice', NOW - 10, YEAR_2099_MS),
  [await frame('alice-2', NOW, YEAR_2026_MS)],
  'stale'
)
await write(
  'stale-same-slot',
  'Of another PeerId, said in the same slot with a smaller sequence number.',
  await frame('alice', NOW, YEAR_2026_MS - 1),
  [await frame('alice-2', NOW, YEAR_2026_MS)],
  'stale'
)
