import { CID } from 'multiformats/cid'
import type { ProofReader } from './api.ts'

/** The submission's fault, not ours: an audit that meets it may call the submission invalid. */
export class NotInProofError extends Error {
  override name = 'NotInProofError'
}

/**
 * A reader that reaches the given roots and what they link to, and nothing else. An auditor's task must judge the
 * proof that everybody else can fetch, not blocks that happen to lie in this node's store.
 */
export function scopeProofs(reader: ProofReader, roots: Iterable<string>): ProofReader {
  const reachable = new Set([...roots].map(normalize))
  const check = (cid: string) => {
    if (!reachable.has(normalize(cid))) {
      throw new NotInProofError(`${cid} is not part of the submission's proof`)
    }
  }
  return {
    async getNode(cid, options) {
      check(cid)
      const value = await reader.getNode(cid, options)
      for (const link of linksOf(value)) {
        reachable.add(link)
      }
      return value
    },
    async listFiles(cid, options) {
      check(cid)
      const files = await reader.listFiles(cid, options)
      for (const file of files) {
        reachable.add(normalize(file.cid))
      }
      return files
    },
    async readFile(cid, path, range) {
      check(cid)
      return reader.readFile(cid, path, range)
    }
  }
}

/** One spelling for one CID: base32 and base58 texts of the same CID must not differ. */
function normalize(cid: string): string {
  try {
    return CID.parse(cid).toV1().toString()
  } catch {
    throw new NotInProofError(`'${cid.slice(0, 128)}' is no CID`)
  }
}

function* linksOf(root: unknown): Iterable<string> {
  const stack = [root]
  while (stack.length > 0) {
    const value = stack.pop()
    if (typeof value !== 'object' || value === null || value instanceof Uint8Array) {
      continue
    }
    const cid = CID.asCID(value)
    if (cid != null) {
      yield cid.toV1().toString()
    } else {
      stack.push(...Object.values(value))
    }
  }
}
