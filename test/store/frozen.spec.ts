/**
 * Data directories as they were left by a node of a format that was once in use, killed in the middle of a vote: whatever comes later opens
 * them, and reads in every table what was there. `test/store/fixtures/make.ts` made them.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { expect } from 'chai'
import { readKeyFile } from '../../src/identity/index.ts'
// by their files, as their rooms do not show what they keep
import { decodeEntry, decodeVote } from '../../src/k2/outbox-entry.ts'
import { readNodeKey } from '../../src/network/node-key.ts'
import { createPeerCache } from '../../src/network/peer-cache.ts'
import { silentLog } from '../../src/network/seams.ts'
import { Pins } from '../../src/proofs/pins.ts'
import { readChain, recordCid } from '../../src/record/index.ts'
import { openRecordArchive, openStore, type RecordArchive, type Store } from '../../src/store/index.ts'
import { networkOf, open } from '../../src/wire/index.ts'
import { tempDir } from '../e2e/cli.ts'

const FIXTURES = join(import.meta.dirname, 'fixtures')

interface Facts {
  staker: string
  version: number
  task: string
  origin: string
  signed: Array<{ cycle: number; key: string; hash: string; bytes: string | null }>
  /** Of the bytes, the SHA-256. */
  messages: Array<{ cycle: number; id: string; slot: number; bytes: string }>
  cycles: Array<{ cycle: number; entry: Record<string, unknown> }>
  values: Array<{ space: string; key: string; value: string }>
  records: Array<{ cycle: number; digest: string; previous: string | null }>
  blocks: string[]
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const bytesOf = (hex: string) => new Uint8Array(Buffer.from(hex, 'hex'))
/** Kept by task, which is in the name since version 3. */
const OF_A_TASK = /^(outbox|peers|key-guard(\/.*)?)$/
const UNKNOWN_TASK = '1'.repeat(32)

for (const name of readdirSync(FIXTURES).filter((file) => file.endsWith('.tar.gz'))) {
  describe(`store: a data directory of before, ${name}`, () => {
    const was = JSON.parse(readFileSync(join(FIXTURES, name.replace('.tar.gz', '.json')), 'utf8')) as Facts
    const values = was.values.map((one) => ({ ...one, space: one.space.replace(`task-of/${was.task}/`, '') }))
    let dir: string
    let remove: () => Promise<void>
    let store: Store
    let archive: RecordArchive
    before(async () => {
      ;({ dir, remove } = await tempDir())
      mkdirSync(join(dir, 'node'))
      dir = join(dir, 'node')
      execFileSync('tar', ['-xzf', join(FIXTURES, name), '-C', dir])
      store = openStore({ dir })
      archive = openRecordArchive({
        path: join(dir, 'records', `${was.task}.sqlite`),
        maxBytes: 2 ** 30,
        onDamaged: (path) => expect.fail(`${path} is called damaged`)
      })
    })
    after(async () => {
      archive?.close()
      store?.close()
      await remove()
    })

    it('has the keys that it had', async () => {
      expect((await readKeyFile(join(dir, 'staking-key.json'))).address).to.equal(was.staker)
      expect(peerIdFromPrivateKey((await readNodeKey(join(dir, 'node-key')))!).toString()).to.match(/^12D3KooW/)
    })

    it('still tells what was signed, and may be believed', () => {
      expect(store.origin(was.task)).to.equal(was.origin)
      expect(store.origin(UNKNOWN_TASK), 'of a task that it never knew').to.equal('new')
      expect(was.signed).to.not.be.empty // biome-ignore format: one look
      for (const { cycle, key, hash } of was.signed) {
        expect(store.signerLog.get(was.task, cycle, key), `${cycle} ${key}`).to.equal(hash)
      }
      const listed = store.signerLog.list(was.task, 0).map(({ cycle, key, bytes }) => [cycle, key, Buffer.from(bytes).toString('hex')])
      const kept = was.signed.flatMap(({ cycle, key, bytes }) => (bytes == null ? [] : [[cycle, key, bytes]]))
      expect(listed).to.have.deep.members(kept)
    })

    it('has the messages of the live cycles, which can be opened', async () => {
      const messages = store.messages.load(was.task, 0)
      expect(messages.map(({ cycle, id, slot, bytes }) => ({ cycle, id, slot, bytes: sha256(bytes) }))).to.have.deep.members(was.messages)
      const { content } = (await readChain(recordCid(bytesOf(was.records.at(-1)!.digest)), blocks).next()).value!
      for (const { id, bytes } of messages) {
        expect(open(bytes, networkOf(content.network, was.task)).id).to.equal(id)
      }
    })

    it('has what became of each cycle', () => {
      const listed = store.cycles.list(was.task, 100)
      expect(listed.toSorted((a, b) => a.cycle - b.cycle)).to.deep.equal(was.cycles)
      expect(was.cycles.filter(({ entry }) => entry.outcome === 'accepted')).to.not.be.empty // biome-ignore format: one look
    })

    const spaceNow = (space: string) => (OF_A_TASK.test(space) ? store.taskSpace(was.task, space) : store.keyValue(space))

    it('has every value in its space, and gives none to a task that it never knew', async () => {
      const spaces = [...new Set(values.map(({ space }) => space))]
      expect(spaces).to.include.members(['outbox', 'peers', 'pins', 'ports', `task/${was.task}`])
      for (const space of spaces) {
        expect(await store.taskSpace(UNKNOWN_TASK, space).list()).to.deep.equal([])
        const keys = values.filter((one) => one.space === space).map(({ key }) => key)
        expect(await spaceNow(space).list()).to.have.members(keys)
        expect(await store.taskSpace(UNKNOWN_TASK, space).list()).to.deep.equal([])
      }
      for (const { space, key, value } of values) {
        expect(Buffer.from((await spaceNow(space).get(key))!).toString('hex'), `${space} ${key}`).to.equal(value)
      }
    })

    it('has the vote that waited, the peers and the pins, as those read them that use them', async () => {
      const of = (space: string, prefix: string) => values.filter((one) => one.space === space && one.key.startsWith(prefix))
      const [vote] = of('outbox', 'vote/')
      const entry = decodeEntry(bytesOf(vote!.value))
      expect(`vote/${entry.vote.cycle}`).to.equal(vote!.key)
      const promised = was.signed.flatMap(({ key, bytes }) => (key.includes('vote') && bytes != null ? [decodeVote(bytesOf(bytes))] : []))
      expect(promised.map(({ cycle }) => cycle)).to.include(entry.vote.cycle)
      const cache = createPeerCache({ store: spaceNow('peers'), log: silentLog, isConnected: () => true })
      const peers = await cache.list()
      expect(peers.map(({ peer }) => `peer/${peer}`)).to.have.members(of('peers', 'peer/').map(({ key }) => key))
      expect(peers.every(({ addresses }) => addresses.length > 0)).to.equal(true)
      const pins = await new Pins(store.keyValue('pins')).list()
      expect(pins).to.have.length(of('pins', 'pin/').length)
      expect(pins.some((pin) => pin.task === was.task && pin.blocks > 0)).to.equal(true)
    })

    const blocks = async (cid: { multihash: { digest: Uint8Array } }) => archive.get(cid.multihash.digest)!

    it('has every record and block, and a chain that can be read back to its beginning', async () => {
      for (const digest of was.blocks) {
        expect(sha256(archive.get(bytesOf(digest))!)).to.equal(digest)
      }
      for (const { digest } of was.records) {
        expect(archive.hasRecord(bytesOf(digest))).to.equal(true)
      }
      expect(archive.status()).to.include({ from: was.records[0]!.cycle, to: was.records.at(-1)!.cycle })
      expect(archive.status().gaps).to.deep.equal([])
      const cycles: number[] = []
      for await (const { content } of readChain(recordCid(bytesOf(was.records.at(-1)!.digest)), blocks)) {
        cycles.unshift(content.cycle)
      }
      expect(cycles).to.deep.equal(was.records.map(({ cycle }) => cycle))
    })
  })
}
