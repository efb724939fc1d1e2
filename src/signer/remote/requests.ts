/** The Signer of a node whose key is elsewhere: what this node knows itself is refused here, whatever the signer would do. */
import { verifyEd25519, type WholeLog } from '../../identity/index.ts'
import { messageOf } from '../../k2/index.ts'
import { SignerLogError, SigningHeldError } from '../errors.ts'
import {
  adoptInto,
  entryOf,
  handedOver,
  isSigned,
  type Reserved,
  refuseSecond,
  reservedByMessage,
  reservedByTransaction,
  reservedByVote
} from '../reserved.ts'
import type { Signer } from '../signer.ts'
import type { Connection } from './connection.ts'
import { toText, voteToJson } from './protocol.ts'
import type { Standing } from './standing.ts'

export interface RequestsInit {
  connection: Connection
  publicKey: Uint8Array
  /** base58 */
  address: string
  programId: string
  /** The copy of the signer's log. */
  log: WholeLog
  /** Asks again while the signer is away: for a cycle as long as it is live, else for a while. */
  wait<T>(ask: () => Promise<T>, cycle: number | null): Promise<T>
}

/** For reading what a transaction reserves: what it may bid is the signer's to say. */
const ANY_FEE_ROE = 2n ** 64n

export function createRequests({ connection, publicKey, address, programId, log, wait }: RequestsInit): Signer {
  const { ask, standing } = connection
  const guarded = (reserved: Reserved | null) => demandPlace(reserved, standing(), log)

  const checked = ({ signature }: { signature: Uint8Array }, bytes: Uint8Array) => {
    if (!verifyEd25519(signature, bytes, publicKey)) {
      throw connection.wasWrong('it gave a signature that is not of its key')
    }
    connection.wasRight()
    return signature
  }
  /** Copied before it is given, so that whatever leaves this node is known to it; and refused where it may not be given any more. */
  const copied = <T>(reserved: Reserved | null, given: T): T => {
    if (guarded(reserved) === 'new') {
      put(log, reserved!)
    }
    return given
  }
  const stand = (next: Standing) => {
    if (standing().state !== 'halted') {
      connection.stand(next)
    }
  }

  return {
    publicKey,
    address,
    async signMessage(bytes) {
      const reserved = reservedByMessage(bytes)
      guarded(reserved)
      const asked = async () => checked(await ask('sign-message', { bytes: toText(bytes) }), bytes)
      return copied(reserved, await wait(asked, reserved.cycle))
    },
    async signVote(of, vote) {
      const { bytes, vote: read } = handedOver(of, vote)
      const reserved = reservedByVote(read)
      guarded(reserved)
      const asked = async () => checked(await ask('sign-vote', { task: read.task, vote: voteToJson(read) }), bytes)
      return copied(reserved, await wait(asked, read.cycle))
    },
    async reserveVote(of, vote) {
      const { vote: read } = handedOver(of, vote)
      const reserved = reservedByVote(read)
      guarded(reserved)
      await wait(() => ask('reserve-vote', { task: read.task, vote: voteToJson(read) }), read.cycle)
      copied(reserved, null)
    },
    async signTransaction(message) {
      const vote = reservedByTransaction(message, { address, programId, maxFeeRoe: ANY_FEE_ROE })
      const reserved = vote == null ? null : reservedByVote(vote)
      guarded(reserved)
      const asked = async () => checked(await ask('sign-transaction', { message: toText(message) }), message)
      // its blockhash does not live for long, and whoever sends it tries again by itself
      return copied(reserved, await wait(asked, null))
    },
    hold: (reason) => stand({ state: 'held', reason }),
    release: () => stand({ state: 'signs' }),
    halt: (reason) => stand({ state: 'halted', reason }),
    has: (bytes) => isSigned(log, bytes),
    adopt(bytes) {
      adoptInto(log, bytes)
      connection.adopt(bytes)
    }
  }
}

/**
 * @returns `new` for what is to be put into the log
 * @throws SigningHeldError, ContradictionError
 */
function demandPlace(reserved: Reserved | null, standing: Standing, log: WholeLog): 'new' | 'known' {
  if (standing.state === 'halted') {
    throw new SigningHeldError(`nothing is signed any more: ${standing.reason}`)
  }
  if (reserved == null) {
    return 'known'
  }
  const { hash, key } = entryOf(reserved)
  const before = log.get(reserved.task, reserved.cycle, key)
  if (before != null) {
    return before === hash ? 'known' : refuseSecond(reserved, key)
  }
  if (reserved.kind != null && standing.state === 'held') {
    throw new SigningHeldError(`no ${reserved.kind} of cycle ${reserved.cycle} is signed for now: ${standing.reason}`)
  }
  return 'new'
}

function put(log: WholeLog, reserved: Reserved): void {
  const { hash, key } = entryOf(reserved)
  try {
    log.put(reserved.task, reserved.cycle, key, hash, reserved.content)
  } catch (err) {
    throw new SignerLogError(
      `what the signer signed for cycle ${reserved.cycle} could not be written down here, and is not used (${messageOf(err)}). ` +
        'Make room on the disk of the data directory, and see that it can be written to',
      { cause: err }
    )
  }
}
