/** The ways of a message and of a vote in and out: written down, in the pool, told to the rounds, sent, and nothing twice. */
import { type Timing, windowOf } from '../clock/index.ts'
import type { Door } from '../judge/index.ts'
import type { FinalVote } from '../k2/index.ts'
import type { Events, Logger } from '../observe/index.ts'
import type { RoundsEvent } from '../rounds/index.ts'
import type { Signer } from '../signer/index.ts'
import type { Store } from '../store/index.ts'
import { type Body, type Message, type Network, seal } from '../wire/index.ts'
import type { KeyGuard } from './key-guard.ts'
import type { Chain, Clock, Transport } from './ports.ts'

export interface WaysInit {
  task: string
  self: string
  network: Network
  timing: Timing
  clock: Pick<Clock, 'now'>
  signer: Pick<Signer, 'publicKey' | 'signMessage' | 'signVote'>
  store: Pick<Store, 'messages'>
  door: () => Pick<Door, 'admit'>
  transport: Pick<Transport, 'send'>
  chain: Pick<Chain, 'bring'>
  guard: Pick<KeyGuard, 'heard'>
  handle: (event: RoundsEvent) => void
  /** Signs, keeps and sends: `publish` below, or what a testnet has put around it. */
  publish: () => (body: Body) => Promise<unknown>
  events: Pick<Events, 'emit'>
  log: Pick<Logger, 'warn'>
}

export interface Ways {
  /** Writes an accepted message down. False for what proves that somebody else has our key: the node stops, and takes it not in. */
  keep(message: Message, isOwn: boolean): boolean
  /** Tells the rounds of a message that is kept. */
  hear(message: Message, slot: number): void
  /** Takes a message of our own through the door, and sends it. @throws PublishRefusedError */
  send(message: Message): Promise<void>
  /** @returns what was signed and sent */
  publish(body: Body): Promise<Message>
  /** Our own vote, for others to bring to K2. */
  handOver(vote: FinalVote): Promise<void>
}

export function createWays(init: WaysInit): Ways {
  const { task, self, network, timing, clock, signer, store, transport, chain, guard, handle, events, log } = init

  const send = async (message: Message): Promise<void> => {
    init.door().admit(message)
    await transport.send(message)
    try {
      store.messages.flush()
    } catch {
      // it is said, and in the Signer's log; what the disk does not take now is told by the watch, and written later
    }
  }

  const hearVote = ({ signer: stakingKey, body: { cycle, vote } }: Message) => {
    if (stakingKey !== self && vote != null && !chain.bring({ cycle, stakingKey, ...vote })) {
      log.warn({ cycle, staker: stakingKey }, 'a vote to be sent on is not signed by its staker')
    }
  }

  return {
    send,
    keep(message, isOwn) {
      if (!isOwn && !guard.heard(message)) {
        return false
      }
      store.messages.put(task, { id: message.id, cycle: message.body.cycle, slot: clock.now() ?? 0, bytes: message.bytes })
      return true
    },
    hear(message, slot) {
      if (message.body.vote != null) {
        hearVote(message)
      } else {
        handle({ type: 'message', message, slot })
      }
    },
    async publish(body) {
      const message = await seal(body, network, { publicKey: signer.publicKey, sign: signer.signMessage })
      await send(message)
      return message
    },
    async handOver(vote) {
      const signature = await signer.signVote(task, vote)
      const { cycle, root, recordDigest, totalRewards } = vote
      const bytes = (of: Uint8Array) => new Uint8Array(of)
      await init.publish()({
        cycle,
        slot: clock.now() ?? windowOf(timing, cycle, 'distribution').from,
        vote: { root: bytes(root), recordDigest: bytes(recordDigest), totalRewards, signature: bytes(signature) }
      })
      events.emit('vote-handed-over', { cycle })
    }
  }
}
