import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { expect } from 'chai'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { Blocks } from '../../src/proofs/blocks.ts'
import { linksOf, profileFault } from '../../src/proofs/cid-profile.ts'
import { type DeclaredProof, declaredFault, type SubmissionBounds } from '../../src/proofs/declared.ts'
import { packFiles } from '../../src/proofs/pack.ts'
import { systemTimers } from '../../src/proofs/timers.ts'
import { bytesOf, memoryFiles } from '../proofs/fixtures.ts'

interface BlockVector {
  cid: string
  /** hex */
  block: string
  verdict: 'ok' | 'malformed'
  links?: string[]
}

interface FilesVector {
  files: Array<{ path: string; hex?: string; length?: number; seed?: number }>
  cid: string
  sizeBytes: number
  blocks: number
}

interface DeclaredVector {
  manifest: SubmissionBounds
  proofs: DeclaredProof[]
  verdict: 'ok' | 'invalid'
}

/** Declarations are within their manifest or not; files pack to the CID that the vector names; blocks have the links that it names, or are refused. */
export async function walk(file: string): Promise<void> {
  const vector = JSON.parse(readFileSync(file, 'utf8')) as unknown
  if (basename(file).startsWith('files-')) {
    const { files, ...expected } = vector as FilesVector
    const blocks = new Blocks({ files: memoryFiles(), timers: systemTimers, log: () => {} })
    const { cid, ...facts } = await packFiles(
      blocks,
      files.map(({ path, hex, length, seed }) => ({ path, content: hex != null ? Buffer.from(hex, 'hex') : bytesOf(length!, seed!) }))
    )
    expect({ cid: cid.toString(), ...facts }).to.deep.equal(expected)
    return
  }
  if (basename(file).startsWith('declared-')) {
    const { manifest, proofs, verdict } = vector as DeclaredVector
    expect(declaredFault(proofs, manifest) == null ? 'ok' : 'invalid').to.equal(verdict)
    return
  }
  const { cid: text, block, verdict, links } = vector as BlockVector
  const cid = CID.parse(text)
  const bytes = Buffer.from(block, 'hex')
  expect(judge(cid, bytes, await sha256.digest(bytes))).to.deep.equal(verdict === 'ok' ? { verdict, links } : { verdict })
}

function judge(cid: CID, bytes: Uint8Array, digest: { digest: Uint8Array }): { verdict: string; links?: string[] } {
  if (profileFault(cid) != null) {
    return { verdict: 'malformed' }
  }
  expect(Buffer.from(cid.multihash.digest).equals(digest.digest), 'hash').to.equal(true)
  try {
    return { verdict: 'ok', links: linksOf(cid, bytes).map(String) }
  } catch {
    return { verdict: 'malformed' }
  }
}
