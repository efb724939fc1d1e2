import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import * as dagCbor from '@ipld/dag-cbor'
import { expect } from 'chai'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { Blocks } from '../../src/proofs/blocks.ts'
import { linksOf, profileFault } from '../../src/proofs/cid-profile.ts'
import { type DeclaredProof, declaredFault, type SubmissionBounds } from '../../src/proofs/declared.ts'
import { packFiles } from '../../src/proofs/pack.ts'
import { jsonOf } from '../../src/proofs/save.ts'
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

interface JsonVector {
  description: string
  blocks: Array<{ cid: string; bytes: string }>
  text: string
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
  if (basename(file).startsWith('json-')) {
    const { blocks, text } = vector as JsonVector
    const known = blocks.map(({ cid, bytes }) => ({ cid: CID.parse(cid), bytes: new Uint8Array(Buffer.from(bytes, 'hex')) }))
    expect(await textOf(known)).to.equal(text)
    expect(await blocksOf(text)).to.deep.equal(blocks)
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

/** What `proof get` writes of these blocks, the root first. */
export async function textOf(blocks: Array<{ cid: CID; bytes: Uint8Array }>): Promise<string> {
  const each = async function* () {
    yield* blocks
  }
  let text = ''
  for await (const part of jsonOf(blocks[0]!.cid, each())) {
    text += Buffer.from(part).toString('utf8')
  }
  return text
}

/** And back, by the words of the spec. */
async function blocksOf(text: string): Promise<JsonVector['blocks']> {
  const reviver = (_key: string, value: unknown, context?: { source: string }) =>
    typeof value === 'number' && !Number.isSafeInteger(value) && /^-?\d+$/.test(context!.source) ? BigInt(context!.source) : value
  const { root, blocks } = JSON.parse(text, reviver as never) as { root: { '/': string }; blocks: { [cid: string]: unknown } }
  expect(Object.keys(blocks)[0]).to.equal(root['/'])
  const found: JsonVector['blocks'] = []
  for (const [name, value] of Object.entries(blocks)) {
    const cid = CID.parse(name)
    const itself = () => Buffer.from((value as { '/': { bytes: string } })['/'].bytes, 'base64')
    let bytes: Uint8Array = cid.code === dagCbor.code ? dagCbor.encode(ipldOf(value)) : itself()
    const isIt = async () => Buffer.compare((await sha256.digest(bytes)).digest, cid.multihash.digest) === 0
    if (!(await isIt())) {
      bytes = itself()
      expect(await isIt(), name).to.equal(true)
    }
    found.push({ cid: name, bytes: Buffer.from(bytes).toString('hex') })
  }
  return found
}

function ipldOf(value: unknown): unknown {
  if (value == null || typeof value !== 'object') {
    return value
  }
  const inner = (value as { '/'?: string | { bytes: string } })['/']
  if (inner != null) {
    return typeof inner === 'string' ? CID.parse(inner) : new Uint8Array(Buffer.from(inner.bytes, 'base64'))
  }
  return Array.isArray(value) ? value.map(ipldOf) : Object.fromEntries(Object.entries(value).map(([key, one]) => [key, ipldOf(one)]))
}
