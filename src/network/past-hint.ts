import { shownText } from '../observe/shown-text.ts'
import { type HintedAddress, MAX_HINT_BYTES, readHint } from './hints.ts'
import type { OwnAddresses } from './own-addresses.ts'

/**
 * Whether the address of a node on K2 leads past it: after a restart on another port or with another node key, or when the machine's address
 * has changed. A name is not judged, nor is anything while the node knows of no address of its own that others may use: a router's may lead here.
 *
 * @param multiaddrs - at which others find the node, each with its PeerId
 * @returns what is wrong with the address, in words that follow on it; undefined when nothing is known to be
 */
export function hintPastNode(hint: string, multiaddrs: readonly string[]): string | undefined {
  const read = readHint(hint)
  if ('fault' in read) {
    return read.fault
  }
  const own = multiaddrs.map((text) => readHint(text, 256)).flatMap((one) => ('fault' in one ? [] : [one]))
  if (own.length === 0 || own.some(({ peerId, address }) => peerId === read.peerId && address.equals(read.address))) {
    return undefined
  }
  if (own.every(({ peerId }) => peerId !== read.peerId)) {
    return 'names another peer'
  }
  const hosts = own.map(hostOf)
  const host = hostOf(read)
  if (hosts.some(({ value }) => value === host.value)) {
    return 'is where the node no longer listens'
  }
  return hosts.some(({ name }) => name === host.name && name.startsWith('ip'))
    ? 'is at an address that this machine no longer has'
    : undefined
}

const hostOf = ({ address }: HintedAddress): { name: string; value: string | undefined } => {
  const [first] = address.getComponents()
  return { name: first?.name ?? '', value: first?.value }
}

/** Of a node's addresses the one that suits its stake account: short enough, and without WebSocket. */
export function hintAmong(multiaddrs: readonly string[]): string | undefined {
  return multiaddrs.find((address) => Buffer.byteLength(address) <= MAX_HINT_BYTES && !address.includes('/ws'))
}

/**
 * What an operator should know and do whose node is not where K2 says that it is; null when it is.
 *
 * @param setting - the command that sets an address; undefined when none is known that fits
 */
export function pastHintNotice(
  hint: string | undefined,
  own: Pick<OwnAddresses, 'told'>,
  setting: (address: string | undefined) => string
): string | null {
  const told = own.told().map(String)
  const fault = hint == null ? undefined : hintPastNode(hint, told)
  if (fault == null) {
    return null
  }
  return `the address of this node on K2, "${shownText(hint)}", ${fault}: newcomers and claims look for it there in vain. Keep the port with --listen, and set it with: ${setting(hintAmong(told))}`
}
