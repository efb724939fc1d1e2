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
/** Looked at whenever another one comes; whoever has sent nothing for so long, and owes nothing, is forgotten. */
const FORGOTTEN_AT_ONCE = 16
const FORGOTTEN_AFTER_MS = 30_000

const CHARGES = Object.keys(PEER_BUDGETS) as Charge[]
const PLACE = Object.fromEntries(CHARGES.map((what, at) => [what, at])) as Record<Charge, number>

interface Account {
  /** Spent of each budget, in the order of `CHARGES`, as of `atMs`. */
  spent: Float64Array
  atMs: Float64Array
  chargedMs: number
}

export function createMeter({ peers, now = () => performance.now(), budgets }: MeterInit): Meter {
  const all = { ...PEER_BUDGETS, ...budgets } as Record<Charge, Budget>
  const accounts = new Map<string, Account>()
  // the parts of one frame are charged one after the other, and a map costs more than all else here
  let lastId: string | undefined
  let last: Account | undefined
  const cut: Partial<Record<Charge, number>> = {}

  const owes = ({ spent, atMs }: Account, nowMs: number) =>
    CHARGES.some((what, at) => spent[at]! * 1_000 > (nowMs - atMs[at]!) * all[what].perSecond)

  /** Of those that were looked at longest ago: who is gone, and whose budgets are full again, is nobody that one has to know. */
  const forgetSome = (nowMs: number) => {
    // who is kept goes to the end, so that it ends at the latest when all were looked at
    let left = Math.min(FORGOTTEN_AT_ONCE, accounts.size)
    for (const [peerId, account] of accounts) {
      if (left-- === 0) {
        break
      }
      accounts.delete(peerId)
      if (nowMs - account.chargedMs < FORGOTTEN_AFTER_MS || owes(account, nowMs)) {
        accounts.set(peerId, account)
      }
    }
  }

  const accountOf = (peerId: string, nowMs: number): Account => {
    if (last != null && peerId === lastId) {
      return last
    }
    let account = accounts.get(peerId)
    if (account == null) {
      forgetSome(nowMs)
      account = { spent: new Float64Array(CHARGES.length), atMs: new Float64Array(CHARGES.length), chargedMs: nowMs }
      accounts.set(peerId, account)
      if (accounts.size > MAX_METERED) {
        accounts.delete(accounts.keys().next().value as string)
      }
    }
    lastId = peerId
    last = account
    return account
  }

  return {
    charge(peerId, what, count = 1) {
      const nowMs = now()
      const account = accountOf(peerId, nowMs)
      const { spent, atMs } = account
      account.chargedMs = nowMs
      const at = PLACE[what]
      const { burst, perSecond } = all[what]
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
