/**
 * The cumulative ledger and its Merkle tree, which the settlement program on K2 checks claims against.
 * Spec: protocols/record/README.md "The ledger"; the program's side: protocols/settlement/ledger.h.
 */
import { hash } from 'node:crypto'
import { byStaker, keyBytes } from './stakers.ts'

/** What a staker has earned and lost since the task began, in ROE. */
export interface LedgerEntry {
  reward: bigint
  slash: bigint
}

/** By base58 staking key; a staker who never earned or lost anything has no entry. */
export type Ledger = ReadonlyMap<string, LedgerEntry>

/** K2 counts in 64 bits. */
export const MAX_AMOUNT = 2n ** 64n - 1n

const EMPTY_ROOT = new Uint8Array(32)

// different first bytes, so that an inner node can never be passed off as a leaf
const LEAF = 0
const INNER = 1

/** The sums over a ledger, which its record and the vote name. */
export function totalsOf(ledger: Ledger): { totalRewards: bigint; totalSlashed: bigint } {
  let totalRewards = 0n
  let totalSlashed = 0n
  for (const { reward, slash } of ledger.values()) {
    totalRewards += reward
    totalSlashed += slash
  }
  return { totalRewards, totalSlashed }
}

/** @throws RangeError on keys that are not 32 bytes and amounts that do not fit 64 bits */
export function ledgerLeaf(taskId: string, staker: string, { reward, slash }: LedgerEntry): Uint8Array {
  return leafOf(bytesOf(taskId), staker, { reward, slash })
}

function leafOf(task: Uint8Array, staker: string, { reward, slash }: LedgerEntry): Uint8Array {
  const leaf = Buffer.alloc(81)
  leaf[0] = LEAF
  leaf.set(task, 1)
  leaf.set(bytesOf(staker), 33)
  leaf.writeBigUInt64LE(reward, 65)
  leaf.writeBigUInt64LE(slash, 73)
  return hash('sha256', leaf, 'buffer')
}

function bytesOf(base58: string): Uint8Array {
  const bytes = keyBytes(base58)
  if (bytes == null) {
    throw new RangeError(`'${base58}' is not a key of 32 bytes in base58`)
  }
  return bytes
}

function parentOf(a: Uint8Array, b: Uint8Array): Uint8Array {
  const [first, second] = Buffer.compare(a, b) <= 0 ? [a, b] : [b, a]
  const inner = Buffer.alloc(65)
  inner[0] = INNER
  inner.set(first, 1)
  inner.set(second, 33)
  return hash('sha256', inner, 'buffer')
}

/** The level above; a node without a partner is carried up as it is. */
function levelAbove(level: Uint8Array[]): Uint8Array[] {
  const above: Uint8Array[] = []
  for (let i = 0; i < level.length; i += 2) {
    const right = level[i + 1]
    above.push(right == null ? level[i]! : parentOf(level[i]!, right))
  }
  return above
}

function leavesOf(ledger: Ledger, taskId: string): { stakers: string[]; leaves: Uint8Array[] } {
  const task = bytesOf(taskId)
  const entries = byStaker(ledger, ([staker]) => staker)
  return { stakers: entries.map(([staker]) => staker), leaves: entries.map(([staker, entry]) => leafOf(task, staker, entry)) }
}

/** The 32-byte root over all entries, sorted by staker; 32 zero bytes for an empty ledger. */
export function merkleRoot(ledger: Ledger, taskId: string): Uint8Array {
  let level = leavesOf(ledger, taskId).leaves
  while (level.length > 1) {
    level = levelAbove(level)
  }
  return new Uint8Array(level[0] ?? EMPTY_ROOT)
}

/** The siblings from the staker's leaf up to the root, 32 bytes each; null when the ledger has no entry for it. */
export function merkleProof(ledger: Ledger, taskId: string, staker: string): Uint8Array[] | null {
  const { stakers, leaves } = leavesOf(ledger, taskId)
  let index = stakers.indexOf(staker)
  if (index < 0) {
    return null
  }
  const proof: Uint8Array[] = []
  for (let level = leaves; level.length > 1; level = levelAbove(level)) {
    const sibling = level[index % 2 === 0 ? index + 1 : index - 1]
    if (sibling != null) {
      proof.push(new Uint8Array(sibling))
    }
    index = Math.floor(index / 2)
  }
  return proof
}

/** 2^24 stakers: as deep as the settlement program goes (protocols/settlement/ledger.h). */
export const MAX_PROOF_HASHES = 24

/** Whether `proof` leads from this staker's amounts to `root`. No leaf hashes to the empty ledger's zeros, so that root proves nothing. */
export function verifyProof({
  root,
  taskId,
  staker,
  entry,
  proof
}: {
  root: Uint8Array
  taskId: string
  staker: string
  entry: LedgerEntry
  proof: readonly Uint8Array[]
}): boolean {
  if (proof.length > MAX_PROOF_HASHES || proof.some((sibling) => sibling.length !== 32)) {
    return false
  }
  let node = ledgerLeaf(taskId, staker, entry)
  for (const sibling of proof) {
    node = parentOf(node, sibling)
  }
  return Buffer.from(node).equals(root)
}
