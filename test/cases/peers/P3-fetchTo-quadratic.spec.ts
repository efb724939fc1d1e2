/** A directory is decoded once, however many of its files are read: n files cost some n links, not n squared. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { CID } from 'multiformats/cid'
import { bytesOf, Lab } from '../../proofs/fixtures.ts'

const FILES = 1_500

describe('cases: peers/P3, a directory of many files', function () {
  this.timeout(120_000)
  const lab = new Lab()
  afterEach(() => lab.end())

  it('is written out and read by path without being decoded anew for each file', async () => {
    const { proofs } = await lab.node({ memory: true })
    const pathOf = (index: number) => `${'a'.repeat(70)}-${index}.txt`
    const contents = Array.from({ length: FILES }, (_, index) => ({ path: pathOf(index), content: bytesOf(20, index) }))
    const { cid } = await proofs.packFiles(contents)
    // a link that is decoded is a CID that is decoded
    const { decode } = CID
    let decoded = 0
    const dir = await mkdtemp(join(tmpdir(), 'koii-mesh-many-'))
    try {
      CID.decode = (bytes) => {
        decoded++
        return decode.call(CID, bytes) as never
      }
      await proofs.fetchTo(cid, join(dir, 'out'))
      const reader = proofs.reader(cid)
      for (let index = 0; index < FILES; index++) {
        for await (const chunk of reader.readFile(pathOf(index))) {
          expect(new Uint8Array(chunk)).to.deep.equal(bytesOf(20, index))
        }
      }
    } finally {
      CID.decode = decode
    }
    expect(decoded / FILES, 'CIDs decoded for a file').to.be.within(1, 30)
    expect(await readdir(join(dir, 'out'))).to.have.length(FILES)
    expect(new Uint8Array(await readFile(join(dir, 'out', pathOf(7))))).to.deep.equal(bytesOf(20, 7))
    await rm(dir, { recursive: true, force: true })
  })
})
