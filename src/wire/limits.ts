/**
 * The size table: every bound on what is decoded, in one place. Both ends of the codec read it; the spec
 * (protocols/wire/README.md) retells it and a test compares the two.
 */
export const LIMITS = {
  /** A control message is small, so that a flood of them is cheap to carry; bulk goes by Bitswap. */
  envelopeBytes: 4096,
  /** Koii's submissions are at most 512 bytes (KOII.md A2), and tasks count on it. */
  valueBytes: 512,
  /** A proof is one DAG; a few roots leave room for tasks with several outputs. */
  proofs: 4,
  /** CIDv1 with a sha2-256 digest takes 36 bytes; room for a longer codec code. */
  cidBytes: 48,
  /** A host has a handful of addresses; more would only make others dial in vain. */
  multiaddrs: 8,
  multiaddrBytes: 256,
  /** Ed25519 PeerIds take 38 bytes, RSA ones 34. */
  peerIdBytes: 64,
  /** Reasons are for people: one line. */
  reasonBytes: 160,
  /** Findings in one message: the 64 looks that others' challenges can ask of a node, its own 8, and some to spare. */
  findings: 96,
  /** Evidence is about this cycle or one of so many before it: what became known late, or in a cycle that was skipped. */
  evidenceCycles: 4
} as const
