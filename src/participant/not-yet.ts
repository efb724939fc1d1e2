import { K2ContradictionError, K2LacksBlockError, K2NotYetError, K2UnreachableError } from '../k2/errors.ts'
import { ProofUnavailableError } from '../proofs/errors.ts'
import { DistributionUnavailableError } from './errors.ts'

const PASSING = [ProofUnavailableError, K2UnreachableError, K2NotYetError, K2LacksBlockError, K2ContradictionError]

/** Whether something failed only because what it needs is not here yet: the bundle, a record, a ledger, K2, or room on this machine. */
export function isNotYet(err: unknown): boolean {
  return PASSING.some((kind) => err instanceof kind) || (err instanceof DistributionUnavailableError && err.passing)
}
