import { commandLine } from '../command/index.ts'
import type { K2Client, TransactionSigner } from '../k2/index.ts'
import { applySlash, claim as claimInstruction, largestSlashOf, REFUSALS, SettlementError } from '../k2/settlement/index.ts'
import { ProofUnavailableError, type ProviderHint } from '../proofs/index.ts'
import { type Ledger, merkleProof, readLedger, readRecord, recordCid } from '../record/index.ts'
import { type Auditor, askInTurn } from './auditor.ts'
import { blocksFrom } from './blocks.ts'
import { type BadHint, hintsOf } from './hints.ts'

export class ClaimError extends Error {
  override name = 'ClaimError'
}

/** Of sixteen that are asked at once. */
const FETCH_TIMEOUT_MS = 20_000
const MAX_TIMEOUT_MS = 120_000

export interface LedgerOptions {
  /** Who is asked besides the task's stakers, before them. */
  also?: readonly ProviderHint[]
  /** Told of stakers whose address on K2 is of no use; they are passed over. */
  onBadHints?: (bad: BadHint[]) => void
}

/**
 * The ledger that K2's last finalized root commits to, fetched from the task's stakers and checked against K2.
 *
 * @throws ClaimError
 */
export async function ledgerOf(
  k2: Pick<K2Client, 'task' | 'stakes'>,
  auditor: Auditor,
  taskId: string,
  { also = [], onBadHints }: LedgerOptions = {}
): Promise<Ledger> {
  const task = await k2.task(taskId)
  const { finalized } = task
  if (finalized == null) {
    throw new ClaimError('no cycle of this task has been finalized yet: there is nothing to claim')
  }
  const { from, bad } = hintsOf(await k2.stakes(taskId))
  if (bad.length > 0) {
    onBadHints?.(bad)
  }
  const hints = [...also, ...from]
  const timeoutMs = Math.min(MAX_TIMEOUT_MS, FETCH_TIMEOUT_MS * Math.max(1, Math.ceil(hints.length / 16)))
  try {
    const { ledger, root } = await askInTurn(auditor, hints, timeoutMs, async (some, someMs) => {
      const get = blocksFrom(auditor.proofs, some, someMs)
      const { content } = await readRecord(recordCid(finalized.recordDigest), get)
      return readLedger(content.ledger, get, undefined, content)
    })
    if (!Buffer.from(root).equals(finalized.root)) {
      throw new ClaimError('the ledger does not have the root that K2 has: the finalized record is wrong, and nothing can be claimed by it')
    }
    return ledger
  } catch (err) {
    throw err instanceof ProofUnavailableError ? new ClaimError(noLedger(finalized.cycle, hints.length, err)) : err
  }
}

/** The user asked for money, and knows of no proof: what is missing is the ledger. */
function noLedger(cycle: number, asked: number, { facts }: ProofUnavailableError): string {
  const answers = Array.isArray(facts.providers) ? facts.providers.slice(0, 3) : []
  const whom = asked === 0 ? 'no staker of the task has an address on K2' : `asked ${asked} by their addresses`
  return `nobody gave the ledger of cycle ${cycle}, which says what is owed: ${whom}${answers.length === 0 ? '' : ` (${answers.join('; ')})`}. An address on K2 may be out of date: name the data directory of a node on this machine with --data-dir, or a node that is up elsewhere with --from, by an address that its ${commandLine(['status'], { json: true })} shows`
}

/** Claims what the ledger owes a staker. @throws ClaimError, a settlement refusal */
export async function claimFor(
  k2: K2Client,
  task: string,
  staker: string,
  ledger: Ledger,
  payer: TransactionSigner
): Promise<{ amount: bigint; total: bigint; to: string; signature: string | null }> {
  const stake = await k2.stake(task, staker)
  if (stake == null) {
    throw new ClaimError(`${staker} has no stake in the task ${task}: check the key and the task id`)
  }
  const entry = ledger.get(staker)
  const due = (entry?.reward ?? 0n) - stake.claimedReward
  const result = { amount: due > 0n ? due : 0n, total: entry?.reward ?? 0n, to: stake.withdrawAuthority }
  if (entry == null || due <= 0n) {
    return { ...result, signature: null }
  }
  const proof = merkleProof(ledger, task, staker)!
  const { signature } = await k2.send(
    [
      claimInstruction({
        task,
        staker,
        withdrawAuthority: stake.withdrawAuthority,
        reward: entry.reward,
        slash: entry.slash,
        proof,
        programId: k2.programId
      })
    ],
    [payer]
  )
  return { ...result, signature }
}

/**
 * Takes out of a stake what the ledger says and K2 has not yet taken: the task's largest slash at most, and once for each finalized
 * cycle. Amounts in ROE: what was taken now, what the ledger has in all, and what K2 has still to take.
 *
 * @throws ClaimError, a settlement refusal
 */
export async function slashFor(
  k2: K2Client,
  task: string,
  staker: string,
  ledger: Ledger,
  payer: TransactionSigner
): Promise<{ amount: bigint; total: bigint; owed: bigint; signature: string | null }> {
  const stake = await k2.stake(task, staker)
  if (stake == null) {
    throw new ClaimError(`${staker} has no stake in the task ${task}: check the address and the task id`)
  }
  const entry = ledger.get(staker)
  const total = entry?.slash ?? 0n
  const owed = total > stake.appliedSlash ? total - stake.appliedSlash : 0n
  const account = await k2.task(task)
  const most = largestSlashOf(account, (stake.amount[0]?.value ?? 0n) + stake.unstaking)
  const amount = owed < most ? owed : most
  const takenAlready = stake.slashedIn != null && stake.slashedIn === account.finalized?.cycle
  if (entry == null || amount === 0n || takenAlready) {
    return { amount: 0n, total, owed, signature: null }
  }
  const proof = merkleProof(ledger, task, staker)!
  const { signature } = await k2.send([applySlash({ task, staker, ...entry, proof, programId: k2.programId })], [payer])
  return { amount, total, owed: owed - amount, signature }
}

/** A cycle may be finalized between reading the ledger and claiming by it; that this happens again and again means something else. */
const CLAIM_ATTEMPTS = 4

/** Claims by the ledger that K2 has just finalized. @throws ClaimError, a settlement refusal */
export const claimLatest = byLatestLedger(claimFor)

/** Applies a slash by the ledger that K2 has just finalized. @throws ClaimError, a settlement refusal */
export const slashLatest = byLatestLedger(slashFor)

/** `act` with the ledger that is the finalized one then, and with the next one when a cycle is finalized meanwhile. */
function byLatestLedger<T>(act: (k2: K2Client, task: string, staker: string, ledger: Ledger, payer: TransactionSigner) => Promise<T>) {
  return async (
    k2: K2Client,
    auditor: Auditor,
    task: string,
    staker: string,
    payer: TransactionSigner,
    options: LedgerOptions = {}
  ): Promise<T> => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await act(k2, task, staker, await ledgerOf(k2, auditor, task, options), payer)
      } catch (err) {
        if (!(err instanceof SettlementError && err.code === REFUSALS.BadProofError.code) || attempt === CLAIM_ATTEMPTS) {
          throw err
        }
      }
    }
  }
}
