/**
 * The Bitswap 1.2 message, bounded before it is decoded: one pass over the bytes, no copies of block data, and a frame of
 * too many elements is refused at the first one past the limit, whatever the rest holds.
 * Source: the message.proto of the Bitswap specification (https://specs.ipfs.tech/bitswap-protocol/).
 */
import { Uint8ArrayList } from 'uint8arraylist'
import { MalformedFrameError } from '../errors.ts'
import { LIMITS } from '../limits.ts'

export interface WantEntry {
  /** CID bytes, unparsed. */
  cid: Uint8Array
  cancel?: boolean
  /** Asks whether the peer has the block rather than for the block. */
  have?: boolean
  sendDontHave?: boolean
}

export interface BlockEntry {
  /** CID version, codec, hash and digest length, as varints. */
  prefix: Uint8Array
  data: Uint8Array | Uint8ArrayList
}

export interface PresenceEntry {
  cid: Uint8Array
  have: boolean
}

export interface BitswapMessage {
  wants: WantEntry[]
  /** The wants are all that its sender has: what it wanted before and is not among them it wants no more. */
  full?: true
  blocks: BlockEntry[]
  presences: PresenceEntry[]
}

/** What a block adds to a frame beside its data: tags, lengths and prefix. */
export const BLOCK_OVERHEAD_BYTES = 32

/**
 * @param bytes one frame, without its length prefix
 * @throws MalformedFrameError
 */
export function decodeMessage(bytes: Uint8Array): BitswapMessage {
  if (bytes.length > LIMITS.frameBytes) {
    throw new MalformedFrameError(`a Bitswap message of ${bytes.length} bytes: ${LIMITS.frameBytes} are allowed`)
  }
  const message: BitswapMessage = { wants: [], blocks: [], presences: [] }
  let at = 0
  let elements = 0

  /** Numbers of up to 64 bits, as priorities below zero are written; past 2^53 they come out rounded, and are no tag or length of ours. */
  const varint = (end: number): number => {
    let value = 0
    for (let scale = 1; scale <= 2 ** 63; scale *= 128) {
      if (at >= end) {
        break
      }
      const byte = bytes[at++]!
      if ((byte === 0 && scale > 1) || (scale === 2 ** 63 && byte > 1)) {
        break
      }
      value += (byte & 127) * scale
      if (byte < 128) {
        return value
      }
    }
    throw new MalformedFrameError(`bad number at byte ${at} of a Bitswap message`)
  }
  /** Reads the fields up to `end`; `onField` gets a number for varints, and for bytes their start and end. */
  const fields = (end: number, onField: (field: number, value: number, from: number, to: number) => void): void => {
    while (at < end) {
      if (++elements > LIMITS.frameElements) {
        throw new MalformedFrameError(`a Bitswap message of more than ${LIMITS.frameElements} elements`)
      }
      const tag = varint(end)
      if (tag >= 2 ** 32) {
        throw new MalformedFrameError(`field number past 2^29 at byte ${at} of a Bitswap message`)
      }
      const wire = tag % 8
      const field = Math.floor(tag / 8)
      if (wire === 0) {
        onField(field, varint(end), 0, 0)
      } else if (wire === 2) {
        const to = varint(end) + at
        if (to > end) {
          throw new MalformedFrameError(`field ${field} of a Bitswap message passes its end`)
        }
        onField(field, 0, at, to)
        at = to
      } else {
        throw new MalformedFrameError(`wire type ${wire} in a Bitswap message`)
      }
    }
  }

  fields(bytes.length, (field, _value, from, to) => {
    if (field === 1) {
      fields(to, (listField, listValue, entryFrom, entryTo) => {
        if (listField === 2 && listValue !== 0) {
          message.full = true
        } else if (listField === 1) {
          const want: WantEntry = { cid: bytes.subarray(entryFrom, entryFrom) }
          fields(entryTo, (entryField, value, cidFrom, cidTo) => {
            if (entryField === 1) {
              want.cid = bytes.subarray(cidFrom, cidTo)
            } else if (entryField === 3) {
              want.cancel = value !== 0
            } else if (entryField === 4) {
              want.have = value === 1
            } else if (entryField === 5) {
              want.sendDontHave = value !== 0
            }
          })
          message.wants.push(want)
        }
      })
    } else if (field === 3) {
      const block: BlockEntry = { prefix: bytes.subarray(from, from), data: bytes.subarray(from, from) }
      fields(to, (blockField, _blockValue, dataFrom, dataTo) => {
        if (blockField === 1) {
          block.prefix = bytes.subarray(dataFrom, dataTo)
        } else if (blockField === 2) {
          block.data = bytes.subarray(dataFrom, dataTo)
        }
      })
      message.blocks.push(block)
    } else if (field === 4) {
      const presence: PresenceEntry = { cid: bytes.subarray(from, from), have: true }
      fields(to, (presenceField, value, cidFrom, cidTo) => {
        if (presenceField === 1) {
          presence.cid = bytes.subarray(cidFrom, cidTo)
        } else if (presenceField === 2) {
          presence.have = value === 0
        }
      })
      message.presences.push(presence)
    }
  })
  return message
}

/** One frame with its length prefix, as pieces: the data of blocks is not copied. */
export function encodeMessage(message: BitswapMessage): Uint8ArrayList {
  const body = new Uint8ArrayList()
  if (message.wants.length > 0) {
    const entries: number[] = []
    for (const want of message.wants) {
      const entry = [0x0a, ...varintBytes(want.cid.length), ...want.cid, 0x10, 1]
      if (want.cancel === true) {
        entry.push(0x18, 1)
      }
      if (want.have === true) {
        entry.push(0x20, 1)
      }
      if (want.sendDontHave === true) {
        entry.push(0x28, 1)
      }
      entries.push(0x0a, ...varintBytes(entry.length), ...entry)
    }
    body.append(Uint8Array.from([0x0a, ...varintBytes(entries.length)]))
    body.append(Uint8Array.from(entries))
  }
  for (const { prefix, data } of message.blocks) {
    const head = [0x0a, ...varintBytes(prefix.length), ...prefix, 0x12, ...varintBytes(data.byteLength)]
    body.append(Uint8Array.from([0x1a, ...varintBytes(head.length + data.byteLength), ...head]))
    body.append(data)
  }
  for (const { cid, have } of message.presences) {
    const entry = [0x0a, ...varintBytes(cid.length), ...cid, 0x10, have ? 0 : 1]
    body.append(Uint8Array.from([0x22, ...varintBytes(entry.length), ...entry]))
  }
  body.prepend(Uint8Array.from(varintBytes(body.byteLength)))
  return body
}

export function varintBytes(value: number): number[] {
  const bytes: number[] = []
  while (value >= 128) {
    bytes.push((value % 128) + 128)
    value = Math.floor(value / 128)
  }
  bytes.push(value)
  return bytes
}
