/** Stock Helia in a process of its own packs all that is wanted into messages of up to 4 MiB: whole proofs of every shape come from it, and go to it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import { expect } from 'chai'
import type { CID } from 'multiformats/cid'
import type { Proofs, ProviderHint } from '../../../src/proofs/index.ts'
import { bytesOf, failure, Lab, packMany } from '../../proofs/fixtures.ts'

const WHOLE: Record<string, number> = {
  'file-1': 1,
  'file-2': 3,
  'file-3': 4,
  'file-8-small': 9,
  'file-64': 65,
  'file-240': 241,
  empty: 1,
  list: 1001,
  mixed: 61
}
const KIB = 1024
interface Packed {
  cid: CID
  blocks: number
  files: Record<string, Uint8Array>
}

/** The same, packed by us. */
const OURS: Record<string, (proofs: Proofs) => Promise<Packed>> = {
  ...Object.fromEntries([1, 2, 3, 64, 240].map((leaves) => [`a file of ${leaves} leaves`, ofFiles({ file: leaves * 256 * KIB })])),
  'an empty file': ofFiles({ file: 0 }),
  'directories in directories': ofFiles({ 'a/b/c': 10, 'a/b/d': 20, e: 300 * KIB }),
  'a HAMT directory': ofFiles(Object.fromEntries(Array.from({ length: 700 }, (_, at) => [`${'name'.repeat(100)}-${at}`, at + 40]))),
  'a list of 1,000 dag-cbor blocks': async (proofs) => ({ cid: await packMany(proofs, 1000, 1000, 7), blocks: 1001, files: {} })
}

function ofFiles(sizes: Record<string, number>) {
  return async (proofs: Proofs): Promise<Packed> => {
    const files = Object.fromEntries(Object.entries(sizes).map(([path, bytes]) => [path, bytesOf(bytes, 7_000 + (bytes % 1000))]))
    const { cid, blocks } = await proofs.packFiles(Object.entries(files).map(([path, content]) => ({ path, content })))
    return { cid, blocks, files }
  }
}

const TOO_LARGE = ['block-too-large', 'block-of-2-MiB', 'chunks-of-1-MiB']

describe('cases: peers/P1, P4 and P5, proofs from stock Helia', function () {
  this.timeout(180_000)
  const lab = new Lab()
  let child: ChildProcess
  let answers: Interface
  let helia: { hint: ProviderHint; roots: Record<string, string> }
  before(async () => {
    const path = join(import.meta.dirname, '../../proofs/stock-process.ts')
    child = spawn(process.execPath, [path, ...Object.keys(WHOLE), 'hamt', ...TOO_LARGE], { stdio: ['pipe', 'pipe', 'inherit'] })
    answers = createInterface({ input: child.stdout! })
    const [line] = await once(answers, 'line')
    helia = JSON.parse(line)
  })
  after(async () => {
    child.stdin?.end()
    await once(child, 'exit')
  })
  afterEach(() => lab.end())

  for (const [shape, blocks] of Object.entries(WHOLE)) {
    it(`${shape}: all ${blocks} blocks come`, async () => {
      const { proofs } = await lab.node()
      const fetched = await proofs.fetch(helia.roots[shape]!, { from: [helia.hint], timeoutMs: 60_000 })
      expect([fetched.blocks, proofs.stats().badFrames]).to.deep.equal([blocks, 0])
    })
  }

  for (const [what, pack] of Object.entries(OURS)) {
    it(`${what} of ours: Helia pins all of it, and reads what we packed`, async () => {
      const { proofs, hint } = await lab.node()
      const { cid, blocks, files } = await pack(proofs)
      const answer = once(answers, 'line')
      child.stdin!.write(`${JSON.stringify({ hint, cid: cid.toString() })}\n`)
      const took = JSON.parse((await answer)[0])
      const digests = Object.entries(files).map(([path, bytes]) => [path, createHash('sha256').update(bytes).digest('hex')])
      expect(took.failed).to.equal(undefined)
      expect([took.blocks, took.files]).to.deep.equal([blocks, Object.fromEntries(digests)])
      // of what is in it, Helia has the block without bytes
      const known = Object.values(files).some(({ length }) => length === 0) ? 1 : 0
      expect(proofs.stats()).to.include({ badFrames: 0, servedBlocks: blocks - known })
    })
  }

  it('a directory in a HAMT comes, and is listed', async () => {
    const { proofs } = await lab.node()
    await proofs.fetch(helia.roots.hamt!, { from: [helia.hint], timeoutMs: 60_000 })
    const files = []
    for await (const file of proofs.reader(helia.roots.hamt!).listFiles()) {
      files.push(file.sizeBytes)
    }
    expect(files.sort((a, b) => a - b)).to.deep.equal(Array.from({ length: 500 }, (_, index) => index))
  })

  for (const shape of TOO_LARGE) {
    it(`${shape}: too large for everybody, at once and in words, and not unavailable`, async () => {
      const { proofs } = await lab.node()
      const err = await failure(proofs.fetch(helia.roots[shape]!, { from: [helia.hint], timeoutMs: 60_000 }))
      expect(err.name, err.message).to.equal('ProofTooLargeError')
      expect(err.message).to.match(/has \d+ bytes; 523264 are allowed/)
    })
  }
})
