import { cycleAt, liveCycles, type Timing } from '../clock/index.ts'
import type { SignerLog } from '../identity/index.ts'
import { messageOf } from '../k2/errors.ts'
import type { Events, Logger } from '../observe/index.ts'
import type { Signer } from '../signer/index.ts'
import type { Store } from '../store/index.ts'
import type { Message, Network } from '../wire/index.ts'
import { type Kept, reopened, unsaid } from './say-again.ts'

export interface RecallInit {
  task: string
  dataDir: string
  timing: Timing
  network: Network
  store: Pick<Store, 'messages' | 'cycles'> & { signerLog: SignerLog }
  signer: Pick<Signer, 'publicKey' | 'has' | 'signMessage'>
  /** Takes a message that was let in before: our own too. */
  take: (message: Message, heardInSlot: number) => void
  isKnown: (id: string) => boolean
  send: (message: Message) => Promise<void>
  events: Events
  log: Logger
}

/** The rounds where a former process left them. */
export interface Recall {
  /** What it had heard and said of the live cycles. */
  messages(slot: number): void
  /** What a kill took between the Signer's log and that of messages. */
  sayAgain(slot: number): Promise<void>
  /** The contents of final votes that were reserved, and of which nothing more is known. */
  openVotes(slot: number): Uint8Array[]
}

export function createRecall({ task, dataDir, timing, network, store, signer, take, isKnown, send, events, log }: RecallInit): Recall {
  const firstLive = (slot: number) => Math.max(0, liveCycles(timing, slot)[0] ?? 0)

  const tellSkipped = (skipped: Kept<unknown>['skipped'], what: 'heard' | 'signed') => {
    if (skipped != null) {
      log.warn(
        { ...skipped, dataDir },
        `messages that this node had ${what} before cannot be read, and are left out: another version wrote them, or the disk lost something. Other nodes have what they had heard`
      )
    }
  }

  return {
    messages(slot) {
      const { read, skipped } = reopened(store.messages.load(task, firstLive(slot)), network)
      tellSkipped(skipped, 'heard')
      for (const { message, slot: heard } of read) {
        try {
          take(message, heard)
        } catch (err) {
          // as at the door: it costs this message, and not the start
          log.warn({ id: message.id, reason: messageOf(err) }, 'a message that was heard before could not be taken up')
        }
      }
    },
    async sayAgain(slot) {
      const { read, skipped } = await unsaid({ signer, log: store.signerLog, task, fromCycle: firstLive(slot), network, isKnown })
      tellSkipped(skipped, 'signed')
      for (const message of read) {
        const { kind, body } = message
        await send(message).then(
          () => events.emit('said-again', { cycle: body.cycle, kind }),
          (err) => log.debug({ cycle: body.cycle, kind, reason: messageOf(err) }, 'what was signed before the stop is of no use any more')
        )
      }
    },
    openVotes: (slot) =>
      store.signerLog
        .list(task, Math.max(0, cycleAt(timing, slot) - 2))
        .filter(({ cycle, key }) => {
          const { voted, voteLost } = store.cycles.get(task, cycle) ?? {}
          return key === 'vote' && voted == null && voteLost == null
        })
        .map(({ bytes }) => bytes)
  }
}
