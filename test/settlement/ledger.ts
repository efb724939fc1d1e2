/**
 * The ledger's hashing written down a second time, from the spec and with node:crypto, so that the program is not tested
 * against the code that will feed it.
 */
import { createHash } from 'node:crypto'
import { PublicKey } from '@solana/web3.js'

export interface LedgerEntry {
  /** base58 */
  staker: string
  reward: bigint
  slash: bigint
}

export function leafHash(task: string, { staker, reward, slash }: LedgerEntry): Uint8Array {
  const amounts = Buffer.alloc(16)
  amounts.writeBigUInt64LE(reward, 0)
  amounts.writeBigUInt64LE(slash, 8)
  return sha256(Buffer.of(0), new PublicKey(task).toBuffer(), new PublicKey(staker).toBuffer(), amounts)
}

export function innerHash(a: Uint8Array, b: Uint8Array): Uint8Array {
  return sha256(Buffer.of(1), ...(Buffer.compare(a, b) <= 0 ? [a, b] : [b, a]))
}

/** The root of the ledger and each staker's proof. */
export function buildLedger(task: string, entries: LedgerEntry[]): { root: Uint8Array; proofs: Map<string, Uint8Array[]> } {
  const sorted = entries.toSorted((a, b) => Buffer.compare(new PublicKey(a.staker).toBuffer(), new PublicKey(b.staker).toBuffer()))
  const proofs = new Map(sorted.map(({ staker }) => [staker, [] as Uint8Array[]]))
  let level = sorted.map((entry) => ({ hash: leafHash(task, entry), below: [entry.staker] }))
  if (level.length === 0) {
    return { root: new Uint8Array(32), proofs }
  }
  while (level.length > 1) {
    const next: typeof level = []
    for (let i = 0; i < level.length; i += 2) {
      const [left, right] = [level[i]!, level[i + 1]]
      if (right == null) {
        next.push(left)
        continue
      }
      for (const staker of left.below) {
        proofs.get(staker)!.push(right.hash)
      }
      for (const staker of right.below) {
        proofs.get(staker)!.push(left.hash)
      }
      next.push({ hash: innerHash(left.hash, right.hash), below: [...left.below, ...right.below] })
    }
    level = next
  }
  return { root: level[0]!.hash, proofs }
}

/** Where a proof leads. */
export function climb(leaf: Uint8Array, proof: readonly Uint8Array[]): Uint8Array {
  return proof.reduce(innerHash, leaf)
}

function sha256(...parts: Uint8Array[]): Uint8Array {
  return new Uint8Array(createHash('sha256').update(Buffer.concat(parts)).digest())
}
