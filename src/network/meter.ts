import { PEER_BUDGETS } from './limits.ts'
import type { Peers } from './peers.ts'

/** What a peer may send of something: so much at once, and so much a second from then on. */
export interface Budget {
  burst: number
  perSecond: number
}

export type Charge = keyof typeof PEER_BUDGETS

/** Counts what each peer sends, and cuts who sends more than any honest peer does. */
export interface Meter {
  /**
   * Takes `count` of something from the budget of a peer.
   *
   * @returns whether it has sent too much: then it is cut, and what came is not to be looked at
   */
  charge(peerId: string, what: Charge, count?: number): boolean
  /** Peers that were cut for it since the start, by what they sent too much of. */
  cuts(): Partial<Record<Charge, number>>
}

export interface MeterInit {
  peers: Pick<Peers, 'cut' | 'isBanned'>
  /** Clock in ms. */
  now?: () => number
  budgets?: Partial<Record<Charge, Budget>>
}

/** Peers whose budgets are remembered. Connections are fewer; who is pushed out begins anew, and has to connect again to make use of it. */
const MAX_METERED = 4_096
/** Whenever another one comes. */
const FORGOTTEN_AT_ONCE = 16

const CHARGES = Object.keys(PEER_BUDGETS) as Charge[]
const PLACE = Object.fromEntries(CHARGES.map((what, at) => [what, at])) as Record<Charge, number>

interface Account {
  /** Spent of each budget, in the order of `CHARGES`, as of `atMs`. */
  spent: Float64Array
  atMs: Float64Array
}

export function createMeter({ peers, now = () => performance.now(), budgets }: MeterInit): Meter {
  const all = { ...PEER_BUDGETS, ...budgets } as Record<Charge, Budget>
  const accounts = new Map<string, Account>()
  const cut: Partial<Record<Charge, number>> = {}

  /** Looks at those that were looked at longest ago: whose budgets are full again is nobody that one has to know. */
  const forgetSome = () => {
    const nowMs = now()
    // who is kept goes to the end, so that it ends at the latest when all were looked at
    let left = Math.min(FORGOTTEN_AT_ONCE, accounts.size)
    for (const [peerId, account] of accounts) {
      if (left-- === 0) {
        break
      }
      accounts.delete(peerId)
      if (CHARGES.some((what, at) => account.spent[at]! * 1_000 > (nowMs - account.atMs[at]!) * all[what].perSecond)) {
        accounts.set(peerId, account)
      }
    }
  }

  const accountOf = (peerId: string): Account => {
    let account = accounts.get(peerId)
    if (account == null) {
      forgetSome()
      account = { spent: new Float64Array(CHARGES.length), atMs: new Float64Array(CHARGES.length) }
      accounts.set(peerId, account)
      if (accounts.size > MAX_METERED) {
        accounts.delete(accounts.keys().next().value as string)
      }
    }
    return account
  }

  return {
    charge(peerId, what, count = 1) {
      const { spent, atMs } = accountOf(peerId)
      const at = PLACE[what]
      const { burst, perSecond } = all[what]
      const nowMs = now()
      const left = Math.max(0, spent[at]! - ((nowMs - atMs[at]!) * perSecond) / 1_000)
      spent[at] = left + count
      atMs[at] = nowMs
      if (spent[at]! <= burst) {
        return false
      }
      // once is enough: what is still under way of a peer that was cut says nothing new
      if (!peers.isBanned(peerId)) {
        cut[what] = (cut[what] ?? 0) + 1
        peers.cut(peerId, `too many ${what}: more than ${burst} at once, or ${perSecond} a second`)
      }
      return true
    },
    cuts: () => ({ ...cut })
  }
}
