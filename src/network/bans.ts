import { BAN_MS, CUT_MS, CUTS_FORGOTTEN_MS } from './limits.ts'

/** Remembered identities out of favour or with strikes: attackers that rotate PeerIds push each other out, nobody else. */
const MAX_REMEMBERED = 4_096

/** Who is out of favour, and for how long; of PeerIds and stakers alike. */
export interface Bans {
  holds(key: string): boolean
  /** For so long from now, or for as long as it is banned already. */
  ban(key: string, forMs: number): void
  /** Counts a wrong signature; how many there are now. */
  strike(key: string): number
  /** Counts a flood; how long it is to be banned for. */
  flood(key: string): number
}

export function createBans(now: () => number): Bans {
  const banned = new Map<string, number>()
  const strikes = new Map<string, number>()
  const floods = new Map<string, { count: number; atMs: number }>()
  return {
    holds(key) {
      const until = banned.get(key)
      if (until == null) {
        return false
      }
      const leftMs = until - now()
      // a clock that was set back would make it last
      if (leftMs <= 0 || leftMs > BAN_MS) {
        banned.delete(key)
        strikes.delete(key)
        return false
      }
      return true
    },
    ban(key, forMs) {
      remember(banned, key, Math.max(now() + forMs, this.holds(key) ? banned.get(key)! : 0))
    },
    strike(key) {
      const count = (strikes.get(key) ?? 0) + 1
      remember(strikes, key, count)
      return count
    },
    flood(key) {
      const before = floods.get(key)
      const count = before != null && before.atMs + CUTS_FORGOTTEN_MS > now() ? before.count + 1 : 1
      remember(floods, key, { count, atMs: now() })
      return Math.min(BAN_MS, CUT_MS * 2 ** (count - 1))
    }
  }
}

function remember<V>(map: Map<string, V>, key: string, value: V): void {
  map.delete(key)
  map.set(key, value)
  if (map.size > MAX_REMEMBERED) {
    map.delete(map.keys().next().value as string)
  }
}
