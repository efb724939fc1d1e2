/**
 * Every bound of this room, in one table. What two nodes must agree on is retold in protocols/proofs/README.md, and a
 * test compares the two; the rest is a node's own choice.
 */
export const LIMITS = {
  // --- the profile: a DAG outside these bounds is not a proof (protocols/proofs)

  /** A block and its envelope must fit one frame, with room for the tags and lengths around it. */
  blockBytes: 511 * 1024,
  /** UnixFS leaves: small enough that several fit the receive window, large enough that hashing, not framing, is the cost. */
  chunkBytes: 256 * 1024,
  /** Children of a UnixFS file node: 1,024 links of some 50 bytes stay far below a block. */
  fileNodeChildren: 1024,
  /** Nesting inside one dag-cbor block. A decoder that recurses must not be made to run out of stack. */
  nestingDepth: 128,
  /** A path in a packed directory, in UTF-8. */
  pathBytes: 1024,

  // --- the proofs of one submission, all together; a task's manifest may lower the bytes

  /** What one submission asks each of its auditors to fetch, at most. */
  proofBytes: 64 * 1024 * 1024,
  proofBlocks: 16_384,
  /** Links followed from the root. A chain (a list of blocks) is the only honest DAG that is deep, and can be a tree instead. */
  proofDepth: 64,

  // --- the wire (TARGETS, rule 5)

  /** Of one Bitswap message that we send, and of the part of a longer one that is decoded at once. */
  frameBytes: 512 * 1024,
  /** Of one Bitswap message that we take, as Bitswap 1.2 has it: Helia packs as much, and boxo a small block before a large one. */
  messageBytes: 4 * 1024 * 1024,
  /** Fields of one Bitswap message, at all levels together: a frame of empty elements is refused where it passes this. A want takes six. */
  frameElements: 8192,
  /** Helia's Bitswap forgets the wants past 1,024 of a peer; a quarter of that keeps a fast link full. */
  wantsInFlightPerPeer: 256,
  /** Bytes asked of one peer and not yet here, as judged by the sizes of the blocks that came last. */
  bytesInFlightPerPeer: 4 * 1024 * 1024,
  /** However large the blocks are, this many are asked for at once. */
  minWantsInFlight: 8,
  /** What a peer may have waiting with us. More is answered with DONT_HAVE. */
  wantsKeptPerPeer: 1024,
  /** Blocks read ahead for one peer while a frame goes out: with blocks of the largest size, 2 MiB. */
  serveReadAhead: 4,
  /** Of one stream, what came and is being written while more is read. */
  writeAheadBytes: 2 * 1024 * 1024,
  /** Streams of one connection. Ours needs two; Helia's opens one for each message. */
  inboundStreams: 32,
  /** A frame that was begun must be complete by then, and a peer that takes nothing for as long is dropped. */
  frameTimeoutMs: 10_000,
  /** An outbound stream with nothing to say is closed: Helia resets its end after 10 s. */
  streamIdleMs: 3_000,

  // --- fetching

  /** No block and no bytes for this long: the next provider is asked. */
  stallMs: 500,
  /** Bytes from a provider that count as progress; less is a provider that drips. */
  progressBytes: 8 * 1024,
  /** A provider that stalled or refused is asked again after this long, on a new stream. */
  reaskMs: 5_000,
  /** Pause before starting over with all providers, when all of them failed. */
  retryMs: 1_000,
  /** Of all addresses of one provider, side by side. Meanwhile the next provider is asked. */
  dialTimeoutMs: 10_000,
  fetchTimeoutMs: 30_000,
  /** Addresses of one provider (src/wire has the same bound). */
  multiaddrs: 8,
  multiaddrBytes: 256,
  /** Providers that one fetch takes from its caller, from the connected peers, and from the DHT, each. */
  providers: 16,
  /** Local blocks read at once while a DAG is walked. */
  walkConcurrency: 8,

  // --- keeping

  /** Rounds that a proof is kept for after its cycle is finalized: the Koii runtime's promise. */
  keepCycles: 3,
  /** What was packed or fetched waits this long for its pin before it may be collected. */
  holdMs: 10 * 60_000,

  // --- providing

  provideConcurrency: 4,
  provideAttempts: 3,
  provideTimeoutMs: 30_000,
  /** Records of long rounds are kept for 45 minutes (src/network/limits.ts); the node asks for half of what its task's rounds give. */
  reprovideIntervalMs: 20 * 60_000,

  // --- reading

  /** Entries of a directory tree that are listed or written out: shared subtrees make a small DAG list without end. */
  entries: 20_000,
  /** dag-pb nodes that a reader has at hand: a directory is looked at once for each of its entries. */
  readerCacheBytes: 2 * 1024 * 1024,
  /** What fetchTo writes to the disk: a small DAG may name one leaf very often. */
  outputBytes: 1024 * 1024 * 1024
} as const

/** Bounds on one proof. Each is checked before what it bounds is read. */
export interface DagLimits {
  /** Sum over the distinct blocks. */
  maxBytes: number
  maxBlocks: number
  /** Links from the root: 0 is the root alone. */
  maxDepth: number
  maxBlockBytes: number
}

export const DEFAULT_DAG_LIMITS: DagLimits = {
  maxBytes: LIMITS.proofBytes,
  maxBlocks: LIMITS.proofBlocks,
  maxDepth: LIMITS.proofDepth,
  maxBlockBytes: LIMITS.blockBytes
}
