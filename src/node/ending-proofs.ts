import type { Proofs } from '../proofs/index.ts'

/** The same proofs, whose fetches end when the node stops: some wait for minutes. */
export function endingProofs(proofs: Proofs, stopping: AbortSignal): Proofs {
  return {
    ...proofs,
    fetch: (cid, options = {}) =>
      proofs.fetch(cid, { ...options, signal: options.signal == null ? stopping : AbortSignal.any([stopping, options.signal]) })
  }
}
