import type { Signer } from '../signer/index.ts'
import { type Message, type Network, signedBytes, type Verify, verifySignature } from '../wire/index.ts'

export interface OwnMessagesInit {
  self: string
  network: Network
  signer: Pick<Signer, 'has' | 'adopt'>
  verify: Verify
}

/** What our key has said, as far as the Signer's log and this process know. */
export interface OwnMessages {
  /** This process sent it, or its own store had kept it: ours, whatever the log says. */
  said(message: Message): void
  /**
   * The messages of our key in it, the halves of evidence included, that we did not sign. `checked`: the judge has checked the
   * signatures; else they are checked here, and what does not hold is nobody's.
   */
  foreign(message: Message, checked: boolean): Message[]
  /** From now on we are held to it. */
  adopt(message: Message): void
  /** Forgets what was said of cycles before `cycle`; the log does not. */
  prune(cycle: number): void
}

export function createOwnMessages({ self, network, signer, verify }: OwnMessagesInit): OwnMessages {
  /** What came by another way than the Signer, as with a testnet's faulty nodes: id to cycle. */
  const sent = new Map<string, number>()
  const bytesOf = (message: Message) => signedBytes(network, message.envelope.body)

  return {
    said(message) {
      if (message.signer === self) {
        sent.set(message.id, message.body.cycle)
      }
    },
    foreign(message, checked) {
      const parts = [message, ...(message.evidence?.halves ?? [])].filter(({ signer: by }) => by === self)
      return parts.filter((part) => !sent.has(part.id) && !signer.has(bytesOf(part)) && (checked || verifySignature(part, network, verify)))
    },
    adopt: (message) => signer.adopt(bytesOf(message)),
    prune(cycle) {
      for (const [id, of] of sent) {
        if (of < cycle) {
          sent.delete(id)
        }
      }
    }
  }
}
