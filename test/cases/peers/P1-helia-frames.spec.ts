/** Stock Helia in a process of its own packs all that is wanted into messages of up to 4 MiB: whole proofs of every shape come from it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect } from 'chai'
import type { ProviderHint } from '../../../src/proofs/index.ts'
import { failure, Lab } from '../../proofs/fixtures.ts'

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
const TOO_LARGE = ['block-too-large', 'block-of-2-MiB', 'chunks-of-1-MiB']

describe('cases: peers/P1, P4 and P5, proofs from stock Helia', function () {
  this.timeout(180_000)
  const lab = new Lab()
  let child: ChildProcess
  let helia: { hint: ProviderHint; roots: Record<string, string> }
  before(async () => {
    const path = join(import.meta.dirname, '../../proofs/stock-process.ts')
    child = spawn(process.execPath, [path, ...Object.keys(WHOLE), 'hamt', ...TOO_LARGE], { stdio: ['pipe', 'pipe', 'inherit'] })
    const [line] = await once(createInterface({ input: child.stdout! }), 'line')
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
