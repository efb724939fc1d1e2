import type { SignerLog } from '../identity/index.ts'
import type { Signer } from '../signer/index.ts'
import { Envelope, MalformedMessageError, type Message, type Network, open } from '../wire/index.ts'

/** What was kept, as far as it can be read, how many were passed over, and why one of them was. */
export interface Kept<T> {
  read: T[]
  skipped: { count: number; reason: string } | null
}

/**
 * Messages from the disk, one at a time: one that another version wrote, or that a bad sector changed, is passed over, and the
 * node starts with the others.
 */
export function reopened<T extends { bytes: Uint8Array }>(kept: Iterable<T>, network: Network): Kept<T & { message: Message }> {
  const read: Array<T & { message: Message }> = []
  const faults: string[] = []
  for (const one of kept) {
    try {
      read.push({ ...one, message: open(one.bytes, network) })
    } catch (err) {
      if (!(err instanceof MalformedMessageError)) {
        throw err
      }
      faults.push(err.message)
    }
  }
  return { read, skipped: faults.length === 0 ? null : { count: faults.length, reason: faults[0]! } }
}

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
  signer: Pick<Signer, 'publicKey' | 'has' | 'signMessage'>
  log: SignerLog
  task: string
  fromCycle: number
  network: Network
  isKnown: (id: string) => boolean
}): Promise<Kept<Message>> {
  const envelopes: Array<{ bytes: Uint8Array }> = []
  let changed = 0
  const { signaturePrefix } = network
  for (const { key, bytes } of log.list(task, fromCycle)) {
    // votes are the outbox's, and what may be said again is said anew
    if (key.startsWith('again/') || !Buffer.from(bytes.subarray(0, signaturePrefix.length)).equals(signaturePrefix)) {
      continue
    }
    if (!signer.has(bytes)) {
      changed++
      continue
    }
    const signature = await signer.signMessage(bytes)
    const body = new Uint8Array(bytes.subarray(signaturePrefix.length + 4))
    const envelope = Envelope.encode({ body, signer: new Uint8Array(signer.publicKey), signature: new Uint8Array(signature) })
    envelopes.push({ bytes: envelope })
  }
  const { read, skipped } = reopened(envelopes, network)
  const count = changed + (skipped?.count ?? 0)
  return {
    read: read.map(({ message }) => message).filter(({ id }) => !isKnown(id)),
    skipped: count === 0 ? null : { count, reason: skipped?.reason ?? 'it is not what its hash in the log is of' }
  }
}
