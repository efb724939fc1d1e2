/** Whose key the signer has, and whether its log can be relied on. */
import bs58 from 'bs58'
import type { WholeLog } from '../../identity/index.ts'
import { SignerAwayError } from '../errors.ts'
import { type Copy, createCopy, MOST_ENTRIES } from './copy.ts'
import type { Link } from './link.ts'

export type Origin = 'kept' | 'new' | 'lost'

export interface TrustInit {
  programId: string
  task: string
  log: WholeLog
  liveFrom: () => number | undefined
  mostEntries?: number
}

/** What the signer said of itself at the first connection. */
export interface SignerFacts {
  publicKey: Uint8Array
  /** base58 */
  address: string
  maxFeeRoe: bigint
  logId: string
  copy: Copy
}

export interface Trust {
  /**
   * At the beginning of each connection: the same key? the same log, with all that it should have?
   *
   * @param sayAdopted - what the copy has by the node's own doing is told first
   * @returns why nothing new is to be signed; null where nothing speaks against it
   * @throws SignerAwayError where it is the signer of another node
   */
  meet(link: Link, sayAdopted: () => Promise<void>): Promise<string | null>
  /** undefined before the first connection. */
  facts(): SignerFacts | undefined
  isMistrusted(): boolean
  origin(): Origin
  /** The node relies on the log again. */
  restore(): void
  /** The signer has marked its log as one that tells all. */
  isMarked(): void
}

const LACKS = 'the log of the signer lacks what this node signed with its key: it is an older copy, or another one'
const ANOTHER = 'the data directory of the signer is another one'

export function createTrust({ programId, task, log, liveFrom, mostEntries = MOST_ENTRIES }: TrustInit): Trust {
  let facts: SignerFacts | undefined
  let isRead = false
  /** Of the log that was compared last. */
  let logId: string | undefined
  let origin: Origin = 'lost'
  let marked = false
  let mistrusted = false

  const lacks = () => {
    const from = liveFrom()
    return from != null && facts?.copy.lacksSince(from) === true
  }

  return {
    async meet(link, sayAdopted) {
      const { publicKey, program, maxFeeRoe, ...told } = await link.call('session', { task })
      const address = bs58.encode(publicKey)
      if (facts != null && address !== facts.address) {
        throw new SignerAwayError(`it has the key ${address} now, and this node is that of ${facts.address}`)
      }
      if (program !== programId) {
        throw new SignerAwayError(
          `it signs for the settlement program ${program}, and this node settles with ${programId}: give both the same --program`
        )
      }
      facts ??= { publicKey, address, maxFeeRoe, logId: told.logId, copy: createCopy({ log, task, address, mostEntries }) }
      await sayAdopted()
      // once from its beginning, as old messages of ours that others send again are to be known as ours
      await facts.copy.compare((from) => link.call('log', from), isRead ? (liveFrom() ?? 0) : 0)
      isRead = true
      const isAnother = (logId != null && told.logId !== logId) || (marked && told.origin !== 'kept')
      logId = told.logId
      origin = told.origin
      if (!lacks() && !isAnother) {
        return mistrusted ? LACKS : null
      }
      mistrusted = true
      marked = false
      return lacks() ? LACKS : ANOTHER
    },
    facts: () => facts,
    isMistrusted: () => mistrusted || lacks(),
    origin: () => (mistrusted || lacks() ? 'lost' : origin),
    restore() {
      mistrusted = false
      facts?.copy.forgive()
    },
    isMarked() {
      marked = true
      origin = 'kept'
    }
  }
}
