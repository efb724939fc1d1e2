/** The node key file cannot be read or written: which file, why, and what to do. */
export class NodeKeyError extends Error {
  override name = 'NodeKeyError'
}

/** The libp2p host could not start: which address, why, and what to do. */
export class HostError extends Error {
  override name = 'HostError'
}

/** A peer sent more bytes, or took longer, than its protocol allows. */
export class StreamLimitError extends Error {
  override name = 'StreamLimitError'
}

/** No peer could be found for a staker. */
export class PeerNotFoundError extends Error {
  override name = 'PeerNotFoundError'
}

/** Why something failed; of many attempts what their reasons have in common is said once. */
export function reasonOf(err: unknown): string {
  if (err instanceof AggregateError) {
    return [...new Set(err.errors.map(reasonOf))].slice(0, 3).join('; ')
  }
  return err instanceof Error ? err.message : String(err)
}
