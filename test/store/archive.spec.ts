import { createHash, randomBytes } from 'node:crypto'
import { existsSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect } from 'chai'
import { type ArchivedRecord, openRecordArchive, type RecordArchive, type RecordArchiveInit } from '../../src/store/index.ts'
import { tempDir } from '../e2e/cli.ts'

const digestOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest()
const blockOf = (bytes: Uint8Array) => ({ digest: digestOf(bytes), bytes })

describe('store: the archive of records', () => {
  let dir: string
  let remove: () => Promise<void>
  const open: RecordArchive[] = []
  const archive = (init: Partial<RecordArchiveInit> = {}) => {
    const made = openRecordArchive({ path: join(dir, 'records', 'task.sqlite'), maxBytes: 2 ** 30, ...init })
    open.push(made)
    return made
  }
  beforeEach(async () => {
    ;({ dir, remove } = await tempDir())
  })
  afterEach(async () => {
    for (const one of open.splice(0)) {
      try {
        one.close()
      } catch {
        // the test has done it
      }
    }
    await remove()
  })

  /** Records of these cycles, each on the one before. */
  const chain = (cycles: number[], bytes = 300): ArchivedRecord[] => {
    const records: ArchivedRecord[] = []
    for (const cycle of cycles) {
      const blocks = [blockOf(randomBytes(bytes)), blockOf(randomBytes(bytes)), blockOf(Buffer.from('all of them pay the same'))]
      records.push({ cycle, digest: blocks[0]!.digest, previous: records.at(-1)?.digest ?? null, blocks })
    }
    return records
  }
  const hasAll = (of: RecordArchive, { blocks }: ArchivedRecord) =>
    blocks.every(({ digest, bytes }) => of.get(digest)?.join() === bytes.join())

  it('keeps records and their blocks over a restart', () => {
    const records = chain([1, 2, 3])
    let one = archive()
    for (const record of records) {
      expect(one.put(record)).to.equal(true)
    }
    one.close()
    one = archive()
    for (const record of records) {
      expect(hasAll(one, record)).to.equal(true)
      expect(one.hasRecord(record.digest)).to.equal(true)
    }
    expect(one.get(randomBytes(32))).to.equal(undefined)
    expect(one.hasRecord(records[0]!.blocks[1]!.digest)).to.equal(false)
    expect(one.status()).to.deep.include({ from: 1, to: 3, gaps: [] })
  })

  it('knows which record lacks the one before it, in whatever order they come', () => {
    const [first, second, third, , fifth] = chain([1, 2, 3, 4, 5])
    const one = archive()
    one.put(fifth!)
    expect(one.gap()).to.deep.include({ cycle: 5 })
    one.put(third!)
    expect(one.status().gaps).to.deep.equal([5, 3])
    one.put(first!)
    expect(one.status().gaps).to.deep.equal([5, 3])
    one.put(second!)
    expect(one.status().gaps).to.deep.equal([5])
    expect(Buffer.from(one.gap()!.previous)).to.deep.equal(fifth!.previous)
  })

  it('drops the oldest first, never the newest, and keeps blocks that newer ones have', () => {
    const records = chain([1, 2, 3, 4])
    const one = archive()
    for (const record of records.toReversed()) {
      one.put(record)
    }
    expect(one.trim(3)).to.equal(2)
    expect(one.hasRecord(records[1]!.digest)).to.equal(false)
    expect(one.get(records[1]!.blocks[0]!.digest)).to.equal(undefined)
    expect(hasAll(one, records[2]!) && hasAll(one, records[3]!)).to.equal(true)
    expect(one.status()).to.deep.include({ from: 3, to: 4, gaps: [3] })
    expect(one.trim(99)).to.equal(1)
    expect(one.trim(99)).to.equal(0)
    expect(hasAll(one, records[3]!)).to.equal(true)
  })

  it('stays within its bytes, some records at a call, and gives the room back', () => {
    const records = chain(
      Array.from({ length: 200 }, (_, at) => at),
      8000
    )
    const path = join(dir, 'records', 'task.sqlite')
    let one = archive()
    for (const record of records) {
      one.put(record)
    }
    const { bytes } = one.status()
    one.close()
    const before = statSync(path).size
    one = archive({ maxBytes: bytes / 2 })
    expect(one.hasRoom()).to.equal(false)
    let calls = 0
    for (let dropped = one.trim(0); dropped > 0; dropped = one.trim(0)) {
      expect(dropped).to.be.at.most(32)
      calls++
    }
    expect(calls).to.be.at.least(3)
    const after = one.status()
    expect(after.bytes).to.be.at.most(bytes / 2)
    expect(after.to).to.equal(199)
    expect(hasAll(one, records[after.from!]!)).to.equal(true)
    one.close()
    expect(statSync(path).size).to.be.below(0.7 * before)
  })

  it('leaves room on the disk for what must be written', () => {
    const [record] = chain([1])
    const one = archive({ free: () => 1024 * 1024 })
    expect(one.put(record!)).to.equal(false)
    expect(one.hasRecord(record!.digest)).to.equal(false)
  })

  it('never gives bytes that rotted, and says that their record is lacking', () => {
    const records = chain([1, 2, 3])
    let one = archive()
    for (const record of records) {
      one.put(record)
    }
    one.close()
    const db = new DatabaseSync(join(dir, 'records', 'task.sqlite'))
    const { digest } = records[1]!.blocks[1]!
    db.prepare('UPDATE block SET bytes = ? WHERE digest = ?').run(randomBytes(300), digest)
    db.close()
    one = archive()
    expect(one.get(digest)).to.equal(undefined)
    expect(one.hasRecord(records[1]!.digest)).to.equal(false)
    expect(one.status().gaps).to.deep.equal([3])
    one.put(records[1]!)
    expect(one.status().gaps).to.deep.equal([])
    expect(hasAll(one, records[1]!)).to.equal(true)
  })

  it('moves a damaged file away, and begins anew', () => {
    archive().close()
    writeFileSync(join(dir, 'records', 'task.sqlite'), 'x'.repeat(10_000))
    const told: string[] = []
    const [record] = chain([1])
    const one = archive({ onDamaged: (path) => told.push(path) })
    expect(told).to.deep.equal([join(dir, 'records', 'task.sqlite.damaged')])
    expect(existsSync(told[0]!)).to.equal(true)
    expect(one.put(record!)).to.equal(true)
    expect(hasAll(one, record!)).to.equal(true)
  })
})
