/** Who signs for the node in one of its tasks: its own process, with a key file, or a signer process that alone has the key. */
import type { TaskConfig } from '../config/index.ts'
import type { KeyPair, WholeLog } from '../identity/index.ts'
import { PROGRAM_ID } from '../k2/settlement/index.ts'
import type { Events, Logger } from '../observe/index.ts'
import { connectSigner, createSigner, type Signer } from '../signer/index.ts'
import type { LogTrust, Store } from '../store/index.ts'
import { createOwnKeys, type OwnKeys } from './own-keys.ts'

/** What the node knows only when more of it is built. */
export interface SigningHooks {
  events: Events
  /** The first cycle whose messages are live; undefined while the slot is not known. */
  liveFrom: () => number | undefined
  /** The log of what was signed cannot be relied on any more. */
  mistrust: (why: string) => void
}

export interface Signing {
  signer: Signer
  /** What the key has said. */
  log: WholeLog
  /** What the data directory of whoever has the key says of that log, as far as it is about this task. */
  trust: LogTrust
  /** The key itself, for a testnet's faulty nodes. @throws where a signer process has it */
  keyPair(): KeyPair
  /** The space of the task (`taskSpace` of the store) for how the key stands, by the log that this is about. */
  space: string
  hook(hooks: SigningHooks): void
  /** One line for the operator, when there is something to know. */
  notice(): string | null
  /** Ends what waits for a signature. */
  abandon(): void
  /** Lets the key go. */
  close(): void | Promise<void>
}

export interface OpenSigningInit {
  /** Of the task. */
  config: TaskConfig
  store: Store
  log: Logger
  /** Shared by the tasks of a node. @default for one task alone */
  keys?: OwnKeys
}

/** @throws KeyInUseError, KeyFileError, SignerAwayError */
export function openSigning({ config, store, log, keys = createOwnKeys() }: OpenSigningInit): Promise<Signing> {
  return config.signer == null ? ownKey(config, store, log, keys) : signerAt(config.signer, config, store, log)
}

const programOf = (config: TaskConfig) => config.program ?? PROGRAM_ID

async function ownKey(config: TaskConfig, store: Store, log: Logger, keys: OwnKeys): Promise<Signing> {
  const { keyPair, unlocked, release } = await keys.take(config)
  if (unlocked != null) {
    log.warn({ reason: unlocked }, 'the staking key could not be locked: see that no other node of this machine uses it')
  }
  return {
    signer: createSigner({ keyPair, log: store.signerLog, programId: programOf(config), maxFeeRoe: config.maxFee }),
    log: store.signerLog,
    trust: { origin: () => store.origin(config.task), trustLog: () => store.trustLog(config.task) },
    keyPair: () => keyPair,
    space: 'key-guard',
    hook() {},
    notice: () => null,
    abandon() {},
    close: release
  }
}

async function signerAt(path: string, config: TaskConfig, store: Store, log: Logger): Promise<Signing> {
  let hooks: SigningHooks | undefined
  const remote = await connectSigner({
    path,
    programId: programOf(config),
    task: config.task,
    log: store.signerLog,
    liveFrom: () => hooks?.liveFrom(),
    onAway(reason) {
      log.error({ event: 'signer-away', reason }, 'the signer does not answer')
      hooks?.events.emit('signer-away', { reason })
    },
    onBack(awayMs) {
      const seconds = Math.round(awayMs / 1000)
      log.warn({ event: 'signer-back', seconds }, 'the signer answers again')
      hooks?.events.emit('signer-back', { seconds })
    },
    onMistrust: (reason) => hooks?.mistrust(reason)
  })
  if (remote.maxFeeRoe < config.maxFee) {
    log.warn(
      { signerRoe: String(remote.maxFeeRoe), nodeRoe: String(config.maxFee) },
      'the signer lets a transaction bid less than this node would: what bids more is refused. Give both the same --max-fee'
    )
  }
  // a key in this process, at some later start, has said what only the signer's log knows
  store.distrustLog(config.task)
  return {
    ...remote,
    keyPair() {
      throw new Error('the staking key is in a signer process, and this node has none to misbehave with: leave --signer out')
    },
    space: `key-guard/${remote.logId}`,
    hook(given) {
      hooks = given
    }
  }
}
