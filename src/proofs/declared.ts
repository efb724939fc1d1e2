/**
 * What a submission says of its proofs, against what its task allows: the same question with the same answer at every node,
 * before anything is fetched. Spec: protocols/proofs/README.md "Proofs of a submission".
 */
import { LIMITS } from './limits.ts'

export interface DeclaredProof {
  /** bytes of its distinct blocks */
  sizeBytes: number
  blocks: number
}

/** Of a task's manifest. */
export interface SubmissionBounds {
  /** of all proofs together, bytes; the protocol's most when left out, and never more than that */
  proofBytes?: number | undefined
  /** the fewest proofs; 0 when left out */
  minProofs?: number | undefined
}

/** @returns what is wrong with the submission, or undefined. Nothing here depends on the node that asks. */
export function declaredFault(
  proofs: DeclaredProof[],
  { proofBytes = LIMITS.proofBytes, minProofs = 0 }: SubmissionBounds
): string | undefined {
  if (proofs.length < minProofs) {
    return `the submission has ${proofs.length === 1 ? '1 proof' : `${proofs.length} proofs`}; its task asks for ${minProofs} at least`
  }
  let bytes = 0n
  let blocks = 0n
  for (const { sizeBytes, blocks: count } of proofs) {
    if (![sizeBytes, count].every((value) => Number.isSafeInteger(value) && value >= 1)) {
      return `a proof is declared to have ${count} blocks of ${sizeBytes} bytes: at least one block of one byte is a proof`
    }
    bytes += BigInt(sizeBytes)
    blocks += BigInt(count)
  }
  const maxBytes = Math.min(proofBytes, LIMITS.proofBytes)
  if (bytes > BigInt(maxBytes)) {
    return `the proofs are declared to have ${bytes} bytes together; ${maxBytes} are allowed`
  }
  if (blocks > BigInt(LIMITS.proofBlocks)) {
    return `the proofs are declared to have ${blocks} blocks together; ${LIMITS.proofBlocks} are allowed`
  }
  return undefined
}
