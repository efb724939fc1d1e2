/** The address of a node as its stake account on K2 has it: any text, since K2's program checks its length alone. */
import { peerIdFromString } from '@libp2p/peer-id'
import { CODE_P2P, type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { shownText } from '../observe/shown-text.ts'
import { judgeAddress } from './addresses.ts'
import { isHostName } from './public-ip.ts'

/** Bytes of UTF-8 that the stake account has room for. */
export const MAX_HINT_BYTES = 127
const DNS = new Set(['dns', 'dns4', 'dns6'])

/** An address that may be dialled, without its `/p2p/`, and the PeerId of who must answer there. */
export interface HintedAddress {
  peerId: string
  address: Multiaddr
}

/**
 * Reads an address hint, whoever wrote it. Never throws.
 *
 * @param maxBytes - of UTF-8
 * @returns the address, or what is wrong with it, in words that follow on its name: `is not a multiaddr (...)`
 */
export function readHint(text: string, maxBytes = MAX_HINT_BYTES): HintedAddress | { fault: string } {
  const bytes = Buffer.byteLength(text)
  if (bytes > maxBytes) {
    return { fault: `has ${bytes} bytes, and an address has at most ${maxBytes}` }
  }
  if (shownText(text, Number.POSITIVE_INFINITY) !== text) {
    return { fault: 'holds characters that cannot be seen' }
  }
  try {
    return readAddress(text)
  } catch (err) {
    return { fault: `cannot be read (${shownText(err instanceof Error ? err.message : err, 100)})` }
  }
}

/** Whose PeerIds the hints on K2 name. Each text is read once, for as long as it is there. */
export function namesOfHints(hints: () => Iterable<{ staker: string; address: string }>): {
  /** Looks at the hints again. */
  read(): void
  /** More than one when somebody names another's: that must not cost the other its place. */
  stakersOf(peerId: string): readonly string[]
} {
  let stakers = new Map<string, string[]>()
  let texts = new Map<string, string | undefined>()
  const peerIn = (text: string): string | undefined => {
    const hint = readHint(text)
    return 'fault' in hint ? undefined : hint.peerId
  }
  return {
    read() {
      const named = new Map<string, string[]>()
      const seen = new Map<string, string | undefined>()
      for (const { staker, address } of hints()) {
        const peerId = texts.has(address) ? texts.get(address) : peerIn(address)
        seen.set(address, peerId)
        if (peerId != null) {
          named.set(peerId, [...(named.get(peerId) ?? []), staker])
        }
      }
      stakers = named
      texts = seen
    },
    stakersOf: (peerId) => stakers.get(peerId) ?? []
  }
}

function readAddress(text: string): HintedAddress | { fault: string } {
  let whole: Multiaddr
  try {
    whole = multiaddr(text)
  } catch (err) {
    return { fault: `is not a multiaddr (${shownText(err instanceof Error ? err.message : err, 100)})` }
  }
  const parts = whole.getComponents()
  const peers = parts.filter(({ code }) => code === CODE_P2P)
  const last = parts.at(-1)
  if (peers.length === 0 || last == null || last.code !== CODE_P2P) {
    return { fault: 'does not name the peer: add its PeerId at the end, /p2p/12D3KooW...' }
  }
  if (peers.length > 1 || parts.some(({ name }) => name === 'p2p-circuit')) {
    return { fault: 'leads over another peer: give the address of the node itself' }
  }
  const host = parts[0]
  if (host != null && DNS.has(host.name) && !isHostName(host.value ?? '')) {
    return { fault: `has "${shownText(host.value, 60)}" for a host, which is not the name of one` }
  }
  const fault = judgeAddress(whole, { local: true })
  if (fault != null) {
    return { fault: FAULTS[fault] ?? fault }
  }
  let peerId: string
  try {
    peerId = peerIdFromString(last.value ?? '').toString()
  } catch {
    return { fault: `has "${shownText(last.value, 60)}" for a PeerId, which is none: it should look like 12D3KooW...` }
  }
  return { peerId, address: whole.decapsulateCode(CODE_P2P) }
}

const FAULTS: Record<string, string> = {
  'not-tcp': 'is not an address over TCP: nodes speak TCP, and WebSocket over it',
  'no-port': 'has no port that can be dialled',
  malformed: 'does not begin with an IP address or the name of a host'
}
