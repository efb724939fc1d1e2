import type { Signer, SignerLog } from '../identity/index.ts'
import { Envelope, type Message, type Network, open } from '../wire/index.ts'

/**
 * What the Signer signed and nobody may have heard: a kill between its log and the log of messages leaves it there. The same
 * bytes have the same signature, so it is the same message.
 */
export async function unsaid({
  signer,
  log,
  task,
  fromCycle,
  network,
  isKnown
}: {
  signer: Signer
  log: SignerLog
  task: string
  fromCycle: number
  network: Network
  isKnown: (id: string) => boolean
}): Promise<Message[]> {
  const messages: Message[] = []
  const { signaturePrefix } = network
  for (const { cycle, key, bytes } of log.list(task, fromCycle)) {
    // votes are the outbox's, and what may be said again is said anew
    if (key.startsWith('again/') || !Buffer.from(bytes.subarray(0, signaturePrefix.length)).equals(signaturePrefix)) {
      continue
    }
    const signature = await signer.sign(bytes, { task, cycle, key })
    const body = new Uint8Array(bytes.subarray(signaturePrefix.length + 4))
    const envelope = Envelope.encode({ body, signer: new Uint8Array(signer.publicKey), signature: new Uint8Array(signature) })
    const message = open(envelope, network)
    if (!isKnown(message.id)) {
      messages.push(message)
    }
  }
  return messages
}
