/** What an attacker sends that writes its own protobuf: gossipsub RPCs, field by field. */
import { randomBytes } from 'node:crypto'
import type { Connection, Stream } from '@libp2p/interface'
import { topicOf } from '../../src/network/index.ts'
import { NETWORK } from './mesh.ts'

export const TOPIC = topicOf(NETWORK)

export function varint(value: number): Buffer {
  const bytes: number[] = []
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) {
      return Buffer.from([...bytes, rest])
    }
    bytes.push((rest % 128) | 0x80)
  }
}

/** A field with a length. */
export function field(number: number, ...parts: Uint8Array[]): Buffer {
  const value = Buffer.concat(parts)
  return Buffer.concat([varint(number * 8 + 2), varint(value.length), value])
}

export const text = (value: string) => Buffer.from(value)
export const frame = (rpc: Uint8Array) => Buffer.concat([varint(rpc.length), rpc])
export const times = (count: number, one: (at: number) => Uint8Array) => Buffer.concat(Array.from({ length: count }, (_, at) => one(at)))
export const ids = (count: number, number: number) => times(count, () => field(number, randomBytes(16)))

export const subscribe = (topic = TOPIC) => field(1, Buffer.from([8, 1]), field(2, text(topic)))
export const message = (data: Uint8Array, topic = TOPIC) => field(2, field(2, data), field(4, text(topic)))
export const control = (...entries: Uint8Array[]) => field(3, ...entries)
export const ihave = (count: number, topic = TOPIC) => field(1, field(1, text(topic)), ids(count, 2))
export const iwant = (count: number) => field(2, ids(count, 1))
export const idontwant = (count: number) => field(5, ids(count, 1))
export const graft = (topic = TOPIC) => field(3, field(1, text(topic)))
export const prune = (infos = 0) =>
  field(
    4,
    field(1, text(TOPIC)),
    times(infos, () => field(2, field(1, randomBytes(38))))
  )

/** A frame that is full of one thing: 64 KiB, the most that there is. */
export function full(one: () => Uint8Array, within: (all: Uint8Array) => Uint8Array = (all) => all): Buffer {
  return frame(within(times(Math.floor((64 * 1024 - 256) / one().length), one)))
}

/** A stream on which gossip listens to us. */
export async function openGossip(connection: Connection): Promise<Stream> {
  const stream = await connection.newStream(['/meshsub/1.1.0'])
  stream.send(frame(subscribe()))
  return stream
}
