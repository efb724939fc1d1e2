import { type K2Client, messageOf, rankOf } from '../k2/index.ts'
import { REFUSALS } from '../k2/settlement/index.ts'
import type { Logger } from '../observe/index.ts'
import type { Ledger } from '../record/index.ts'

export interface SlasherInit {
  k2: Pick<K2Client, 'stakes' | 'stake' | 'balance'>
  task: string
  /** Our own staking key: it decides when our turn is. */
  self: string
  /** Address that pays the fees. */
  payer: string
  /** The stakers' keys as last read. */
  stakers: () => readonly string[]
  /** Sends one _apply slash_ by the ledger. @throws a settlement refusal, K2TransactionError, K2UnreachableError */
  apply: (staker: string, ledger: Ledger) => Promise<{ amount: bigint; signature: string | null }>
  log: Logger
  onApplied?: (cycle: number, staker: string, applied: { amount: bigint; signature: string }) => void
}

/** Has K2 take what finalized ledgers say that stakers have lost. Nobody is paid for it, so everybody does a little, by turns. */
export interface Slasher {
  /** The ledger that K2 has just finalized: what one before it said is dropped. */
  finalized(cycle: number, ledger: Ledger, slot: number): Promise<void>
  /** Does what is due; to be called once a slot. */
  onSlot(slot: number): void
  stop(): Promise<void>
}

/** Slots from one turn to the next: K2 takes two to show what has landed. */
const TURN_SLOTS = 3
/** What one node pays for in a cycle: 40,000 ROE. */
const SENDS_PER_CYCLE = 8
/** Stakes that are looked at in a cycle, those that owe most first. */
const LOOKS_PER_CYCLE = 64
const FEE_ROE = 5000n
/** Votes come first: a node keeps enough for a hundred of them. */
const KEPT_ROE = 100n * FEE_ROE

interface Due {
  cycle: number
  ledger: Ledger
  /** Stakers, and what K2 had taken from them when the ledger was new. */
  stakes: Array<{ staker: string; applied: bigint }>
  turn: number
}

export function createSlasher({ k2, task, self, payer, stakers, apply, log, onApplied }: SlasherInit): Slasher {
  let newest = -1
  let due: Due | undefined
  let running: Promise<void> | undefined
  let stopped = false

  const run = async (work: Due): Promise<void> => {
    let sends = 0
    for (const { staker, applied } of work.stakes) {
      if (stopped || newest !== work.cycle || sends >= SENDS_PER_CYCLE) {
        return
      }
      const now = await k2.stake(task, staker)
      // somebody was faster, or the stake is gone
      if (now == null || now.appliedSlash !== applied) {
        continue
      }
      if ((await k2.balance(payer)) < KEPT_ROE + FEE_ROE) {
        log.debug({ cycle: work.cycle }, 'no money to have slashes applied')
        return
      }
      sends++
      try {
        const { amount, signature } = await apply(staker, work.ledger)
        if (signature != null) {
          onApplied?.(work.cycle, staker, { amount, signature })
        }
      } catch (err) {
        const late = [REFUSALS.NothingToSlashError, REFUSALS.BadProofError, REFUSALS.SlashLimitError].some(
          (refusal) => err instanceof refusal
        )
        log[late ? 'debug' : 'warn']({ cycle: work.cycle, staker, reason: messageOf(err) }, 'a slash was not applied')
      }
    }
  }

  return {
    async finalized(cycle, ledger, slot) {
      if (stopped || cycle <= newest) {
        return
      }
      newest = cycle
      due = undefined
      const lost = new Map([...ledger].filter(([, { slash }]) => slash > 0n))
      if (lost.size === 0) {
        return
      }
      const owing = (await k2.stakes(task))
        .map(({ staker, appliedSlash, amount, unstaking }) => ({
          staker,
          applied: appliedSlash,
          owed: (lost.get(staker)?.slash ?? 0n) - appliedSlash,
          there: (amount[0]?.value ?? 0n) + unstaking
        }))
        // what is worth less than its fee is left alone
        .filter(({ owed, there }) => owed > FEE_ROE && there > FEE_ROE)
        .sort((a, b) => (a.owed > b.owed ? -1 : a.owed < b.owed ? 1 : a.staker < b.staker ? -1 : 1))
        .slice(0, LOOKS_PER_CYCLE)
      if (newest === cycle && owing.length > 0) {
        due = { cycle, ledger, stakes: owing, turn: slot + TURN_SLOTS * (1 + rankOf(`slash/${cycle}`, self, stakers())) }
      }
    },
    onSlot(slot) {
      if (stopped || due == null || running != null || slot < due.turn) {
        return
      }
      const work = due
      due = undefined
      running = run(work)
        .catch((err) => log.debug({ cycle: work.cycle, reason: messageOf(err) }, 'K2 did not tell which slashes it lacks'))
        .finally(() => {
          running = undefined
        })
    },
    async stop() {
      stopped = true
      await running
    }
  }
}
