/** Where the generated vectors of records and audits go. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Block } from '../../src/record/blocks.ts'
import { plain } from '../vectors/wire.ts'

const vectors = (protocol: string) => join(import.meta.dirname, '..', '..', 'protocols', protocol, 'vectors')

/** What no longer exists goes. */
export function clear(protocol: string): void {
  rmSync(vectors(protocol), { recursive: true, force: true })
}

export function write(protocol: string, name: string, vector: unknown): void {
  mkdirSync(vectors(protocol), { recursive: true })
  writeFileSync(join(vectors(protocol), `${name}.json`), `${JSON.stringify(plain(vector), null, 2)}\n`)
}

export const blockJson = ({ cid, bytes }: Block) => ({ cid: cid.toString(), bytes: Buffer.from(bytes).toString('hex') })
