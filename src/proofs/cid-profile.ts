/**
 * Which CIDs and blocks a proof may be made of. Spec: protocols/proofs/README.md "CID profile".
 *
 * Links are found by scanning the bytes, without building the values: it is quick, takes no stack, and what a hostile
 * block can cost is bounded by its length.
 */
import { CID } from 'multiformats/cid'
import { LIMITS } from './limits.ts'

export const RAW = 0x55
export const DAG_PB = 0x70
export const DAG_CBOR = 0x71
const SHA2_256 = 0x12

const CODEC_NAMES: Record<number, string> = { [RAW]: 'raw', [DAG_PB]: 'dag-pb', [DAG_CBOR]: 'dag-cbor' }

/** Why `cid` may not be part of a proof, or undefined when it may. */
export function profileFault(cid: CID): string | undefined {
  if (cid.version !== 1) {
    return `CID version ${cid.version}: only version 1 is used`
  }
  if (CODEC_NAMES[cid.code] == null) {
    return `codec 0x${cid.code.toString(16)}: only dag-cbor, dag-pb and raw are used`
  }
  if (cid.multihash.code !== SHA2_256 || cid.multihash.digest.length !== 32) {
    return `hash 0x${cid.multihash.code.toString(16)} of ${cid.multihash.digest.length} bytes: only sha2-256 is used`
  }
  return undefined
}

/** Whether bytes begin as those of a CID of the profile do; its 32 bytes of digest follow after these four. */
export function isCidPrefix(bytes: Uint8Array): boolean {
  return bytes[0] === 1 && CODEC_NAMES[bytes[1] ?? 0] != null && bytes[2] === SHA2_256 && bytes[3] === 32
}

/** The name that a block goes by in this room: its digest, since one block may be asked for under two codecs. */
export function keyOf(cid: CID): string {
  return Buffer.from(cid.multihash.digest.buffer, cid.multihash.digest.byteOffset, cid.multihash.digest.byteLength).toString('hex')
}

/** Parses text, or takes a CID as it is. @throws SyntaxError when it is no CID */
export function toCid(cid: CID | string): CID {
  if (typeof cid !== 'string') {
    return cid
  }
  try {
    return CID.parse(cid)
  } catch {
    throw new SyntaxError(`'${cid}' is not a CID: it should look like bafyrei...`)
  }
}

/**
 * The distinct links of a block, in the order of their bytes.
 *
 * @throws Error saying what is wrong with the block
 */
export function linksOf(cid: CID, bytes: Uint8Array): CID[] {
  const links = new Map<string, CID>()
  const add = (link: CID) => {
    const fault = profileFault(link)
    if (fault != null) {
      throw new Error(`link to ${link}: ${fault}`)
    }
    links.set(`${link.code}/${keyOf(link)}`, link)
  }
  if (cid.code === DAG_CBOR) {
    scanCbor(bytes, add)
  } else if (cid.code === DAG_PB) {
    scanPb(bytes, add)
  }
  return [...links.values()]
}

/** One pass over the items of a dag-cbor block; a stack of counts stands for the open arrays and maps. */
function scanCbor(bytes: Uint8Array, onLink: (cid: CID) => void): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const open: number[] = [1]
  let at = 0
  let isLink = false
  const need = (count: number) => {
    if (count > bytes.length - at) {
      throw new Error(`dag-cbor ends in the middle of an item, at byte ${at}`)
    }
  }

  while (open.length > 0) {
    const left = open.length - 1
    if (open[left] === 0) {
      open.pop()
      continue
    }
    open[left]!--
    need(1)
    const head = bytes[at++]!
    const major = head >> 5
    const info = head & 31
    let value = info
    if (info >= 24) {
      if (info > 27) {
        throw new Error(`dag-cbor has no items of indefinite length (byte ${at - 1})`)
      }
      const size = 1 << (info - 24)
      need(size)
      value =
        size === 1 ? view.getUint8(at) : size === 2 ? view.getUint16(at) : size === 4 ? view.getUint32(at) : Number(view.getBigUint64(at))
      at += size
    }
    if (isLink && major !== 2) {
      throw new Error(`tag 42 is not on bytes (byte ${at})`)
    }
    switch (major) {
      case 2:
      case 3:
        need(value)
        if (isLink) {
          if (bytes[at] !== 0) {
            throw new Error(`link without its leading zero (byte ${at})`)
          }
          onLink(CID.decode(bytes.subarray(at + 1, at + value)))
          isLink = false
        }
        at += value
        break
      case 4:
      case 5: {
        const items = major === 4 ? value : value * 2
        need(items) // each takes a byte at least: a count that cannot be true ends here
        if (open.length > LIMITS.nestingDepth) {
          throw new Error(`nested deeper than ${LIMITS.nestingDepth}`)
        }
        open.push(items)
        break
      }
      case 6:
        if (value !== 42) {
          throw new Error(`tag ${value}: dag-cbor has only 42`)
        }
        isLink = true
        open[left]!++ // the tagged item comes in the place of the tag
        break
      case 7:
        if (info !== 20 && info !== 21 && info !== 22 && info !== 27) {
          throw new Error(`simple value ${info}: dag-cbor has only false, true, null and 64-bit floats`)
        }
        break
    }
  }
  if (at !== bytes.length) {
    throw new Error(`${bytes.length - at} bytes follow the dag-cbor value`)
  }
}

/** PBNode { links = 2: PBLink { hash = 1, ... }, data = 1 } */
function scanPb(bytes: Uint8Array, onLink: (cid: CID) => void): void {
  forEachField(bytes, (field, wire, value) => {
    if (wire !== 2 || (field !== 1 && field !== 2)) {
      throw new Error(`field ${field} is not of a dag-pb node`)
    }
    if (field === 2) {
      let hash: CID | undefined
      forEachField(value, (linkField, _wire, linkValue) => {
        if (linkField === 1) {
          hash = CID.decode(linkValue)
        }
      })
      if (hash == null) {
        throw new Error('link without a hash')
      }
      onLink(hash)
    }
  })
}

function forEachField(bytes: Uint8Array, onField: (field: number, wire: number, value: Uint8Array) => void): void {
  let at = 0
  const varint = () => {
    let value = 0
    for (let scale = 1; scale <= 2 ** 49; scale *= 128) {
      const byte = bytes[at++]
      if (byte == null) {
        throw new Error('dag-pb ends in the middle of a field')
      }
      value += (byte & 127) * scale
      if (byte < 128) {
        return value
      }
    }
    throw new Error('dag-pb number too long')
  }
  while (at < bytes.length) {
    const tag = varint()
    const wire = tag & 7
    const length = varint()
    if (wire === 0) {
      onField(tag >>> 3, wire, bytes.subarray(0, 0))
      continue
    }
    if (wire !== 2) {
      throw new Error(`wire type ${wire} is not of dag-pb`)
    }
    if (length > bytes.length - at) {
      throw new Error('dag-pb ends in the middle of a field')
    }
    onField(tag >>> 3, wire, bytes.subarray(at, at + length))
    at += length
  }
}
