/**
 * The node's side of a signer process: the same requests, a copy of its log, and how the key stands.
 *
 *     request ──> what this node knows itself (halted, held, contradicts its copy) ──> socket ──> signature checked, copied, given
 *     each new connection: whose key? ──> the log against the copy ──> how the key stands ──> requests
 */
import { setTimeout as sleep } from 'node:timers/promises'
import bs58 from 'bs58'
import PQueue from 'p-queue'
import pRetry from 'p-retry'
import { commandLine } from '../../command/index.ts'
import { KeyInUseError, verifyEd25519, type WholeLog } from '../../identity/index.ts'
import { messageOf } from '../../k2/index.ts'
import { SignerAwayError, SignerLogError, SigningHeldError } from '../errors.ts'
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
import { createCopy, MOST_ENTRIES } from './copy.ts'
import { createLink, NoSessionError, SignerBusyError } from './link.ts'
import { type Answer, type Asking, type Path, toReason, toText, voteToJson } from './protocol.ts'

export interface RemoteSignerInit {
  /** Of the signer's socket. */
  path: string
  /** base58: of K2's programs, the one that the node settles with. */
  programId: string
  task: string
  /** The node's own log: what this node signed itself before it had a signer stands in it, and the copy of the signer's beside that. */
  log: WholeLog
  /** The first cycle whose messages are live; undefined while the slot is not known. */
  liveFrom: () => number | undefined
  onAway(reason: string): void
  onBack(awayMs: number): void
  /** The signer's log lacks what it should have: nothing is signed until the node has listened. */
  onMistrust(reason: string): void
  /** Whether it answers is asked this often, and again while it does not. */
  pollMs?: number
  /** The longest that one answer may take. */
  answerMs?: number
  /** So long the first connection is tried, and a transaction is. */
  patienceMs?: number
  /** A log with more entries is none of a signer. */
  mostEntries?: number
}

export interface RemoteSigner {
  signer: Signer
  /** The copy of the signer's log; what is pruned is pruned there, too. */
  log: WholeLog
  /** Of the signer's data directory; `lost` too where its log lacks what this node signed in a live cycle. */
  trust: { origin(): 'kept' | 'new' | 'lost'; trustLog(): void }
  /** Of the signer's log at the first connection: what is remembered of how the key stands belongs to it. */
  logId: string
  /** In ROE: the most that the signer lets one transaction bid. */
  maxFeeRoe: bigint
  /** One line for the operator while it is away. */
  notice(): string | null
  /** Ends what waits for it; what is to be said of the key still is. */
  abandon(): void
  /** Ends the connection. */
  close(): Promise<void>
}

type Standing = { state: 'signs' } | { state: 'held'; reason: string } | { state: 'halted'; reason: string }

const POLL_MS = 1_000
const ANSWER_MS = 5_000
const PATIENCE_MS = 10_000
const RETRY = { retries: Number.POSITIVE_INFINITY, minTimeout: 100, factor: 1.5, maxTimeout: 1_000 }
/** For reading what a transaction reserves: what it may bid is the signer's to say. */
const ANY_FEE_ROE = 2n ** 64n

/**
 * Connects to a signer process, and stays so: what is asked for while it is away waits, a message or a vote as long as its cycle is live.
 *
 * @throws SignerAwayError, KeyInUseError where it serves another node
 */
export async function connectSigner(init: RemoteSignerInit): Promise<RemoteSigner> {
  const { path, programId, task, pollMs = POLL_MS, answerMs = ANSWER_MS, patienceMs = PATIENCE_MS } = init
  const abandoned = new AbortController()
  const closing = new AbortController()
  const link = createLink({ path, answerMs, stopping: closing.signal })
  // in one order, so that what is said of the key stands before what is asked for next
  const queue = new PQueue({ concurrency: 1 })
  let known: { publicKey: Uint8Array; address: string; maxFeeRoe: bigint; logId: string } | undefined
  let copy: ReturnType<typeof createCopy> | undefined
  let connected = false
  let standing: Standing = { state: 'held', reason: 'the node has not begun to sign' }
  /** The one that the signer was told last. */
  let said: Standing | undefined
  let origin: 'kept' | 'new' | 'lost' = 'lost'
  /** The signer has heard that its log tells all that the key has said. */
  let trusted = false
  let mistrusted = false
  /** `untilSigned`: that it answers is not enough, as it has answered wrong. */
  let away: { reason: string; sinceMs: number; untilSigned: boolean; isTold: boolean } | undefined
  /** Of the log that was compared last. */
  let logId: string | undefined
  const adopting = new Set<Uint8Array>()

  const isAway = (reason: string, untilSigned = false) => {
    connected = false
    said = undefined
    if (away != null) {
      away.reason = reason
      away.untilSigned ||= untilSigned
    } else if (!abandoned.signal.aborted) {
      // who waits for the first connection is told of it by that
      away = { reason, sinceMs: performance.now(), untilSigned, isTold: copy != null }
      if (away.isTold) {
        init.onAway(awayText(path, reason))
      }
    }
  }
  const isBack = () => {
    const before = away
    away = undefined
    if (before?.isTold === true) {
      init.onBack(Math.round(performance.now() - before.sinceMs))
    }
  }
  const isMistrusted = () => {
    const liveFrom = init.liveFrom()
    return mistrusted || (liveFrom != null && copy!.lacksSince(liveFrom))
  }

  const sayAdopted = async () => {
    for (const bytes of adopting) {
      await link.call('adopt', { bytes: toText(bytes) })
      adopting.delete(bytes)
    }
  }

  /** Who is there, and does its log have what it should? */
  const greet = async () => {
    const told = await link.call('session', {})
    const address = bs58.encode(told.publicKey)
    if (known != null && address !== known.address) {
      throw new SignerAwayError(`it has the key ${address} now, and this node is that of ${known.address}`)
    }
    if (told.program !== programId) {
      throw new SignerAwayError(
        `it signs for the settlement program ${told.program}, and this node settles with ${programId}: give both the same --program`
      )
    }
    known ??= { publicKey: told.publicKey, address, maxFeeRoe: told.maxFeeRoe, logId: told.logId }
    const first = copy == null
    copy ??= createCopy({ log: init.log, task, address, mostEntries: init.mostEntries ?? MOST_ENTRIES })
    await sayAdopted()
    await copy.compare((from) => link.call('log', from), first ? 0 : (init.liveFrom() ?? 0))
    const lacks = isMistrusted()
    const isAnother = (logId != null && told.logId !== logId) || (trusted && told.origin !== 'kept')
    logId = told.logId
    if (lacks || isAnother) {
      mistrusted = true
      trusted = false
      if (standing.state === 'signs') {
        const reason = lacks
          ? 'the log of the signer lacks what this node signed with its key: it is an older copy, or another one'
          : 'the data directory of the signer is another one'
        standing = { state: 'held', reason }
        init.onMistrust(reason)
      }
    }
    origin = told.origin
    connected = true
    if (away?.untilSigned !== true) {
      isBack()
    }
  }

  /** Whatever is asked for next finds the signer as it should stand. */
  const ready = async () => {
    if (!connected) {
      await greet()
    }
    await sayAdopted()
    while (said !== standing) {
      const saying = standing
      await link.call('standing', onWire(saying, isMistrusted()))
      said = saying
      if (saying.state === 'signs') {
        trusted = true
        origin = 'kept'
      }
    }
  }

  const ask = <P extends Path>(name: P, asking: Asking<P>): Promise<Answer<P>> =>
    queue.add(async () => {
      for (let again = false; ; again = true) {
        try {
          await ready()
          return await link.call(name, asking)
        } catch (err) {
          if (err instanceof NoSessionError && !again) {
            connected = false
            said = undefined
            continue
          }
          if (err instanceof SignerAwayError) {
            isAway(err.message)
            throw new SignerAwayError(awayText(path, err.message), { cause: err })
          }
          throw err
        }
      }
    })

  /** Says it as soon as it can be said: a connection that fails is made anew, and begins with it. */
  const tell = (now: Standing) => {
    standing = now
    ask('ping', {}).catch(() => {})
  }

  /** One that is being asked just now is not waited for when the node stops: it may hang. */
  const ended = new Promise<never>((_resolve, reject) => abandoned.signal.addEventListener('abort', () => reject(abandoned.signal.reason)))
  ended.catch(() => {})
  const wait = <T>(run: () => Promise<T>, isOfUse: () => boolean, maxMs?: number): Promise<T> => {
    const asked = pRetry(run, {
      ...RETRY,
      signal: abandoned.signal,
      ...(maxMs == null ? {} : { maxRetryTime: maxMs }),
      shouldRetry: ({ error }) => error instanceof SignerAwayError && isOfUse()
    })
    return Promise.race([asked, ended])
  }

  try {
    await pRetry(() => ask('ping', {}), {
      ...RETRY,
      maxRetryTime: patienceMs,
      shouldRetry: ({ error }) => error instanceof SignerAwayError
    })
  } catch (err) {
    closing.abort()
    link.close()
    throw err instanceof Error && err.cause instanceof SignerBusyError ? new KeyInUseError(busyText(path)) : err
  }
  const { publicKey, address, maxFeeRoe } = known!
  const log = copy!.log

  const poll = async () => {
    for (;;) {
      await sleep(pollMs, undefined, { signal: abandoned.signal })
      if (queue.size + queue.pending === 0) {
        await ask('ping', {}).catch(() => {})
      }
    }
  }
  poll().catch(() => {})

  // -- what this node knows itself is refused here, whatever the signer would do

  const refuseWhenHalted = () => {
    if (standing.state === 'halted') {
      throw new SigningHeldError(`nothing is signed any more: ${standing.reason}`)
    }
  }
  const place = (reserved: Reserved) => {
    refuseWhenHalted()
    const { task: of, cycle, kind } = reserved
    const { hash, key } = entryOf(reserved)
    const before = log.get(of, cycle, key)
    if (before != null && before !== hash) {
      refuseSecond(reserved, key)
    }
    if (before == null && kind != null && standing.state === 'held') {
      throw new SigningHeldError(`no ${kind} of cycle ${cycle} is signed for now: ${standing.reason}`)
    }
    return { hash, key, isNew: before == null }
  }
  /** Copied before it is given, so that whatever leaves this node is known to it. */
  const copied = (reserved: Reserved) => {
    const { hash, key, isNew } = place(reserved)
    if (!isNew) {
      return
    }
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
  const checked = ({ signature }: { signature: Uint8Array }, bytes: Uint8Array) => {
    if (!verifyEd25519(signature, bytes, publicKey)) {
      const reason = 'it gave a signature that is not of its key'
      isAway(reason, true)
      throw new SignerAwayError(awayText(path, reason))
    }
    isBack()
    return signature
  }
  const isLive = (cycle: number) => () => (init.liveFrom() ?? 0) <= cycle

  const signer: Signer = {
    publicKey,
    address,
    async signMessage(bytes) {
      const reserved = reservedByMessage(bytes)
      place(reserved)
      const asked = async () => checked(await ask('sign-message', { bytes: toText(bytes) }), bytes)
      const signature = await wait(asked, isLive(reserved.cycle))
      copied(reserved)
      return signature
    },
    async signVote(of, vote) {
      const { bytes, vote: read } = handedOver(of, vote)
      const reserved = reservedByVote(read)
      place(reserved)
      const asked = async () => checked(await ask('sign-vote', { task: read.task, vote: voteToJson(read) }), bytes)
      const signature = await wait(asked, isLive(read.cycle))
      copied(reserved)
      return signature
    },
    async reserveVote(of, vote) {
      const { vote: read } = handedOver(of, vote)
      const reserved = reservedByVote(read)
      place(reserved)
      await wait(() => ask('reserve-vote', { task: read.task, vote: voteToJson(read) }), isLive(read.cycle))
      copied(reserved)
    },
    async signTransaction(message) {
      refuseWhenHalted()
      const vote = reservedByTransaction(message, { address, programId, maxFeeRoe: ANY_FEE_ROE })
      const reserved = vote == null ? null : reservedByVote(vote)
      if (reserved != null) {
        place(reserved)
      }
      const asked = async () => checked(await ask('sign-transaction', { message: toText(message) }), message)
      // its blockhash does not live for long, and whoever sends it tries again by itself
      const signature = await wait(asked, () => true, patienceMs)
      refuseWhenHalted()
      if (reserved != null) {
        copied(reserved)
      }
      return signature
    },
    hold(reason) {
      if (standing.state !== 'halted') {
        tell({ state: 'held', reason })
      }
    },
    release() {
      if (standing.state !== 'halted') {
        tell({ state: 'signs' })
      }
    },
    halt(reason) {
      if (standing.state !== 'halted') {
        tell({ state: 'halted', reason })
      }
    },
    has: (bytes) => isSigned(log, bytes),
    adopt(bytes) {
      adoptInto(log, bytes)
      adopting.add(bytes)
      ask('ping', {}).catch(() => {})
    }
  }

  return {
    signer,
    log: {
      ...log,
      prune(of, cycle) {
        log.prune(of, cycle)
        // what is missed now is dropped with the next cycle
        ask('prune', { task: of, cycle: Math.max(0, cycle) }).catch(() => {})
      }
    },
    trust: {
      origin: () => (isMistrusted() ? 'lost' : origin),
      // it is said with `release`, before anything else is signed
      trustLog() {
        mistrusted = false
        copy!.forgive()
      }
    },
    maxFeeRoe,
    logId: known!.logId,
    notice: () => (away == null ? null : awayText(path, away.reason)),
    abandon() {
      abandoned.abort(new SignerAwayError('the node is being stopped'))
    },
    async close() {
      abandoned.abort(new SignerAwayError('the node is being stopped'))
      if (said !== standing && away == null) {
        // such as that nothing is to be signed any more
        await Promise.race([queue.onIdle(), sleep(answerMs)])
      }
      closing.abort()
      link.close()
    }
  }
}

function onWire(standing: Standing, distrust: boolean): Asking<'standing'> {
  switch (standing.state) {
    case 'signs':
      return { state: 'signs' }
    case 'held':
      return { state: 'held', reason: toReason(standing.reason), distrust }
    case 'halted':
      return { state: 'halted', reason: toReason(standing.reason) }
  }
}

const awayText = (path: string, reason: string) =>
  `the signer at ${path} does not answer as it should (${reason}): nothing is signed until it does. If it does not run, start it: ` +
  commandLine(['signer'], { key: 'KEY_FILE', dataDir: 'ITS_OWN_DIR', socket: path })

const busyText = (path: string) =>
  `the signer at ${path} serves another node, and one at a time, as two nodes with one key contradict each other: stop that node, or give this one a key of its own`
