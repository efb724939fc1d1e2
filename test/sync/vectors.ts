import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { createPool } from '../../src/judge/index.ts'
import { Envelopes, Have, Ids, Want } from '../../src/sync/generated/sync.js'
import { decodeEnvelopes, decodeHave, decodeIds, decodeWant, joinIds } from '../../src/sync/protocol.ts'
import type { Message } from '../../src/wire/index.ts'

export type SyncVector = { description: string } & (
  | { kind: 'digest'; ids: string[]; digest: string }
  | { kind: 'have'; frame: string; have: { cycles: Array<{ cycle: number; digest: string; count: number }> } }
  | { kind: 'ids'; frame: string; ids: Array<{ cycle: number; ids: string[] }> }
  | { kind: 'want'; frame: string; want: string[] }
  | { kind: 'envelopes'; frame: string; envelopes: string[] }
  | { kind: 'bad'; of: 'have' | 'ids' | 'want' | 'envelopes'; frame: string; expect: string }
)

const bytes = (hex: string) => new Uint8Array(Buffer.from(hex, 'hex'))
const hex = (data: Uint8Array) => Buffer.from(data).toString('hex')

export function walk(file: string): void {
  const vector = JSON.parse(readFileSync(file, 'utf8')) as SyncVector
  switch (vector.kind) {
    case 'digest': {
      const pool = createPool()
      for (const id of vector.ids) {
        pool.add({ id, kind: 'submission', signer: 'x', body: { cycle: 1 } } as Message)
      }
      return void expect(hex(pool.digest(1))).to.equal(vector.digest)
    }
    case 'have': {
      const { cycles } = vector.have
      expect(hex(Have.encode({ cycles: cycles.map((one) => ({ ...one, digest: bytes(one.digest) })) }))).to.equal(vector.frame)
      return void expect(decodeHave(bytes(vector.frame)).cycles.map((one) => ({ ...one, digest: hex(one.digest) }))).to.deep.equal(cycles)
    }
    case 'ids':
      expect(hex(Ids.encode({ cycles: vector.ids.map(({ cycle, ids }) => ({ cycle, ids: joinIds(ids) })) }))).to.equal(vector.frame)
      return void expect(decodeIds(bytes(vector.frame))).to.deep.equal(vector.ids)
    case 'want':
      expect(hex(Want.encode({ ids: joinIds(vector.want) }))).to.equal(vector.frame)
      return void expect(decodeWant(bytes(vector.frame))).to.deep.equal(vector.want)
    case 'envelopes':
      expect(hex(Envelopes.encode({ envelopes: vector.envelopes.map(bytes) }))).to.equal(vector.frame)
      return void expect(decodeEnvelopes(bytes(vector.frame)).map(hex)).to.deep.equal(vector.envelopes)
    case 'bad': {
      const decode = { have: decodeHave, ids: decodeIds, want: decodeWant, envelopes: decodeEnvelopes }[vector.of]
      expect(() => decode(bytes(vector.frame)))
        .to.throw()
        .with.property('name', vector.expect)
    }
  }
}
