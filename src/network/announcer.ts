import type { PeerId } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { cycleAt, type Timing } from '../clock/index.ts'
import { LIMITS, type Message, type Network, type Sign, seal } from '../wire/index.ts'
import { withoutPeer } from './addresses.ts'

export interface AnnouncerInit {
  network: Network
  timing: Timing
  slot: () => number | undefined
  /** The node's own identity and addresses. */
  peerId: PeerId
  multiaddrs: () => Multiaddr[]
  /** Signs with the staking key. */
  signer: { publicKey: Uint8Array; sign: Sign }
  /** Wall clock in ms: sequence numbers, which must grow over restarts too. */
  now?: () => number
  /** How long an announcement holds, in slots. */
  validSlots?: number
}

export interface Announcer {
  /** The latest announcement, for hellos; undefined before the first. */
  current(): Message | undefined
  /**
   * Makes and signs a new announcement when there is none, its addresses changed, or half its time has passed; undefined
   * when the latest one still serves, or the slot is not known yet. The caller gossips what it gets.
   */
  renew(force?: boolean): Promise<Message | undefined>
}

/** Four rounds: a node that was cut off for a whole cycle is still known when it comes back. */
const VALID_ROUNDS = 4

/** Makes the node's announcements: what binds its stake to its PeerId and says where it is. */
export function createAnnouncer(init: AnnouncerInit): Announcer {
  const { network, timing, slot, peerId, multiaddrs, signer, now = Date.now } = init
  const validSlots = init.validSlots ?? VALID_ROUNDS * timing.roundSlots
  let latest: Message | undefined
  let said = ''
  return {
    current: () => latest,
    async renew(force = false) {
      const at = slot()
      if (at == null) {
        return undefined
      }
      const addresses = multiaddrs()
        .map(withoutPeer)
        .filter((address) => address.bytes.length <= LIMITS.multiaddrBytes)
        .slice(0, LIMITS.multiaddrs)
      const text = addresses.map(String).sort().join(' ')
      const before = latest?.body.announcement
      const fresh = before != null && before.expirySlot - at > validSlots / 2
      if (!force && fresh && text === said) {
        return undefined
      }
      const cycle = Math.max(0, cycleAt(timing, at))
      const message = await seal(
        {
          cycle,
          slot: at,
          announcement: {
            peerId: new Uint8Array(peerId.toMultihash().bytes),
            multiaddrs: addresses.map((address) => address.bytes),
            sequence: Math.max(now(), (before?.sequence ?? 0) + 1),
            expirySlot: at + validSlots
          }
        },
        network,
        signer
      )
      latest = message
      said = text
      return message
    }
  }
}
