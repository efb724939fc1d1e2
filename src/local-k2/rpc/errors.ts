import type { Integer } from './params.ts'

/**
 * An error that a client gets as JSON-RPC. Codes and words are those of Solana's nodes, because clients tell them apart by both.
 * Source of the codes: SolanaJSONRPCErrorCode in `@solana/web3.js` (src/errors.ts).
 */
export class RpcError extends Error {
  override name = 'RpcError'
  readonly code: number
  readonly data: unknown

  constructor(code: number, message: string, data?: unknown) {
    super(message)
    this.code = code
    this.data = data
  }
}

export const PARSE_ERROR = -32700
export const INVALID_REQUEST = -32600
export const METHOD_NOT_FOUND = -32601
export const INVALID_PARAMS = -32602
export const INTERNAL_ERROR = -32603

export const invalidParams = (what: string) => new RpcError(INVALID_PARAMS, what)

export const blockCleanedUp = (slot: Integer, first: number) =>
  new RpcError(-32001, `Block ${slot} cleaned up, does not exist on node. First available block: ${first}`)

/** @param data its fields go out in the order of their names, as Agave's do */
export const preflightFailure = (message: string, data: object) =>
  new RpcError(
    -32002,
    `Transaction simulation failed: ${message}`,
    Object.fromEntries(Object.entries(data).sort(([a], [b]) => (a < b ? -1 : 1)))
  )

export const blockNotAvailable = (slot: Integer) => new RpcError(-32004, `Block not available for slot ${slot}`)

/** @param why told to who wants something done; a look at the health has Solana's words alone */
export const nodeUnhealthy = (why?: string) =>
  new RpcError(-32005, why == null ? 'Node is unhealthy' : `Node is unhealthy: ${why}`, { numSlotsBehind: null })

export const slotSkipped = (slot: Integer) =>
  new RpcError(-32007, `Slot ${slot} was skipped, or missing due to ledger jump to recent snapshot`)

export const noSnapshot = () => new RpcError(-32008, 'No snapshot')

export const unsupportedVersion = (version: number) =>
  new RpcError(
    -32015,
    `Transaction version (${version}) is not supported by the requesting client. ` +
      'Please try the request again with the following configuration parameter: "maxSupportedTransactionVersion": ' +
      version
  )

export const minContextSlotNotReached = (slot: number) =>
  new RpcError(-32016, 'Minimum context slot has not been reached', { contextSlot: slot })
