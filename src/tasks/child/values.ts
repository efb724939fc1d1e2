/**
 * Values of dag-cbor blocks as JSON and back, for both ends of the process boundary.
 *
 * A link is `{ "/": "cid" }`, as in DAG-JSON, and stays that way for the author. Bytes are `{ "/": { "bytes": base64 } }`
 * and an integer beyond 2^53 is `{ "/": { "int": "123" } }`; the author has `Uint8Array` and `bigint`.
 */

/** Objects in objects: a decoder that recurses must not be made to run out of stack. */
const MAX_DEPTH = 64

/** A value that a task may not make, or a proof that holds something no task can have made. */
export class ProofValueError extends Error {
  override name = 'ProofValueError'
}

/** @param linkOf the CID string when the value is a link in the caller's world, else null */
export function toJson(value: unknown, linkOf: (value: object) => string | null, depth = 0): unknown {
  if (depth > MAX_DEPTH) {
    throw new ProofValueError(`nested more than ${MAX_DEPTH} deep`)
  }
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value
    case 'number':
      if (!Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value))) {
        throw new ProofValueError(`${value} is no number that dag-cbor can hold exactly`)
      }
      return value
    case 'bigint':
      return { '/': { int: checked(value).toString() } }
    case 'object':
      break
    default:
      throw new ProofValueError(`a ${typeof value} cannot be part of a block`)
  }
  if (value === null) {
    return null
  }
  if (value instanceof Uint8Array) {
    return { '/': { bytes: Buffer.from(value).toString('base64') } }
  }
  const link = linkOf(value)
  if (link != null) {
    return { '/': link }
  }
  if (Array.isArray(value)) {
    return value.map((item) => toJson(item, linkOf, depth + 1))
  }
  const out: Record<string, unknown> = {}
  for (const [key, item] of Object.entries(value)) {
    if (key === '/' || key === '__proto__') {
      throw new ProofValueError(`a map may not have the key '${key}'`)
    }
    out[key] = toJson(item, linkOf, depth + 1)
  }
  return out
}

/** @param toLink makes what a link is in the caller's world; throws for what is no CID */
export function fromJson(json: unknown, toLink: (cid: string) => unknown, depth = 0): unknown {
  if (depth > MAX_DEPTH) {
    throw new ProofValueError(`nested more than ${MAX_DEPTH} deep`)
  }
  if (typeof json === 'number' && (!Number.isFinite(json) || (Number.isInteger(json) && !Number.isSafeInteger(json)))) {
    throw new ProofValueError(`${json} is no number that dag-cbor can hold exactly`)
  }
  if (typeof json !== 'object' || json === null) {
    return json
  }
  if (Array.isArray(json)) {
    return json.map((item) => fromJson(item, toLink, depth + 1))
  }
  const entries = Object.entries(json)
  const [key, inner] = entries[0] ?? []
  if (entries.length === 1 && key === '/') {
    if (typeof inner === 'string') {
      return toLink(inner)
    }
    const tagged = inner as { bytes?: unknown; int?: unknown } | null
    if (typeof tagged?.bytes === 'string') {
      return new Uint8Array(Buffer.from(tagged.bytes, 'base64'))
    }
    if (typeof tagged?.int === 'string' && /^-?\d{1,20}$/.test(tagged.int)) {
      return checked(BigInt(tagged.int))
    }
  }
  const out: Record<string, unknown> = {}
  for (const [name, item] of entries) {
    if (name === '/' || name === '__proto__') {
      throw new ProofValueError(`a map may not have the key '${name}'`)
    }
    out[name] = fromJson(item, toLink, depth + 1)
  }
  return out
}

/** CBOR's integers have 64 bits and a sign. */
function checked(value: bigint): bigint {
  if (value < -(2n ** 64n) || value > 2n ** 64n - 1n) {
    throw new ProofValueError(`${value} is no integer that dag-cbor can hold`)
  }
  return value
}

/** In a task's world a link is an object with the one key '/'. */
export function taskLinkOf(value: object): string | null {
  const keys = Object.keys(value)
  const cid = (value as { '/'?: unknown })['/']
  return keys.length === 1 && typeof cid === 'string' ? cid : null
}
