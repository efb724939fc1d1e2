/** How the key stands, as the node says it to its signer. */
import { type Asking, toReason } from './protocol.ts'

export type Standing = { state: 'signs' } | { state: 'held'; reason: string } | { state: 'halted'; reason: string }

/** @param distrust - the signer's log cannot be relied on, and its data directory is to remember that */
export function standingToJson(standing: Standing, distrust: boolean): Asking<'standing'> {
  switch (standing.state) {
    case 'signs':
      return { state: 'signs' }
    case 'held':
      return { state: 'held', reason: toReason(standing.reason), distrust }
    case 'halted':
      return { state: 'halted', reason: toReason(standing.reason) }
  }
}
