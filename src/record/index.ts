/**
 * # record
 *
 * What a cycle comes to: tally, distribution, record, cumulative ledger, proposers. All pure: no clock, no I/O, no
 * randomness; the same inputs give the same bytes. Spec: protocols/record/README.md.
 *
 *     messages ──> tally ──> distributionInput ──> (the task's function) ──> buildRecord ──> blocks, root, ledger
 *     CID ──> readRecord ──> checkRecord ──> approve, or not
 *
 * @example
 * ```ts
 * const result = tally(inputs)
 * const list = await distribution(distributionInput(inputs, result))
 * const { cid, blocks, ledger } = buildRecord(inputs, result, list)
 * ```
 */
export { beaconSeed } from './beacon.ts'
export { type Block, CHUNK_BYTES, isRecordCid, RECORD_LIMITS, type RecordLimits, recordCid, recordLimits } from './blocks.ts'
export { type ChainLink, type ChainPlace, readChain, readLink } from './chain.ts'
export { type CheckTools, checkRecord, type Heard, type RecordCheck } from './check.ts'
export { type DistributionEntry, type DistributionInput, distributionInput } from './distribution-input.ts'
export { DistributionError, RecordMalformedError } from './errors.ts'
export {
  type Ledger,
  type LedgerEntry,
  ledgerLeaf,
  MAX_AMOUNT,
  MAX_PROOF_HASHES,
  merkleProof,
  merkleRoot,
  totalsOf,
  verifyProof
} from './ledger.ts'
export { proposerFor } from './proposer.ts'
export { hasQuorum } from './quorum.ts'
export { type Breathe, type GetBlock, readLedger, readRecord } from './read.ts'
export { type BuiltRecord, buildRecord, encodeLedger, encodeRecord, nextLedger, RECORD_VERSION, type RecordContent } from './record.ts'
export { byStaker, placesOf, providesRecord } from './stakers.ts'
export {
  type CycleInputs,
  isRecorded,
  LARGEST_SLASH,
  offencesIn,
  type PreviousRecord,
  partOf,
  RECORDED_KINDS,
  type Rejection,
  type RejectionReason,
  SLASHES,
  type Tally,
  tally
} from './tally.ts'
export { isRefuted, type Weights, weigh } from './verdicts.ts'
