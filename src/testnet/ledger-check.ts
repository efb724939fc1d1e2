import bs58 from 'bs58'
import { scheduleFor, type Timing } from '../clock/index.ts'
import { verifyEd25519 } from '../identity/index.ts'
import { type K2Client, stakeSetOf } from '../k2/index.ts'
import { ringAt, type TaskAccount } from '../k2/settlement/index.ts'
import { type Auditor, blocksFrom } from '../node/index.ts'
import type { ProviderHint } from '../proofs/index.ts'
import {
  type CheckTools,
  checkRecord,
  type Ledger,
  offencesIn,
  type PreviousRecord,
  readLedger,
  readRecord,
  recordCid
} from '../record/index.ts'
import { networkOf, open } from '../wire/index.ts'
import type { RecordFacts } from './facts.ts'

export interface LedgerCheckInit {
  k2: K2Client
  task: string
  genesisHash: string
  timing: Timing
  auditor: Auditor
  providers: () => ProviderHint[]
  distribution: CheckTools['distribution']
  /** How long fetching one record may take. */
  fetchMs: number
  /** Nothing is fetched any more. */
  until?: AbortSignal
}

/**
 * Reads each finalized record as an outsider would, from the nodes that hold it, and recomputes it from the one before:
 * content, tally, distribution, ledger and root against what K2 has.
 */
export function createLedgerCheck({ k2, task, genesisHash, timing, auditor, providers, distribution, fetchMs, until }: LedgerCheckInit) {
  const network = networkOf(genesisHash, task)
  let previous: PreviousRecord | null = null
  let ledger: Ledger = new Map()
  let paid = 0n

  return {
    ledger: () => ledger,
    async check(account: TaskAccount): Promise<RecordFacts> {
      const { cycle, recordDigest, root } = account.finalized!
      const cid = recordCid(recordDigest)
      const get = blocksFrom(auditor.proofs, providers(), fetchMs, until)
      const { content } = await readRecord(cid, get)
      const read = await readLedger(content.ledger, get, undefined, content)
      const { weights: stakes, total: totalStake, stakers = new Map() } = stakeSetOf(await k2.stakes(task), cycle)
      // as src/k2/settlement's bountyFor, but with what we found before: the account may have gone on to the next cycle
      const left = ringAt(account.funded, cycle) - paid
      let bounty = ringAt(account.bounty, cycle)
      if (left < bounty) {
        bounty = left
      }
      const inputs = {
        taskId: task,
        genesisHash,
        cycle,
        previous,
        beacon: bs58.decode((await k2.blockAtOrAfter(scheduleFor(timing, cycle).beaconSlot)).blockhash),
        ledger,
        stakes,
        totalStake,
        largestSlash: account.largestSlash,
        stakers,
        bounty,
        messages: [],
        mustHave: new Set<string>(),
        timely: null
      }
      const checked = await checkRecord(content, inputs, { timing, verify: verifyEd25519, distribution })
      const sameRoot = Buffer.from(root).equals(read.root)
      const facts: RecordFacts = {
        cycle,
        cid: cid.toString(),
        root: Buffer.from(root).toString('hex'),
        recomputed: !checked.ok
          ? { ok: false, reason: checked.reason }
          : sameRoot
            ? { ok: true }
            : { ok: false, reason: 'the ledger has another root than K2' },
        accepted: checked.ok ? checked.tally.accepted.map(({ signer }) => signer) : [],
        rejected: checked.ok
          ? checked.tally.rejected.map(({ staker, reason, detail }) => ({
              staker,
              reason: detail === '' ? reason : `${reason}: ${detail}`
            }))
          : [],
        rewards: new Map([...read.ledger].map(([staker, { reward }]) => [staker, reward])),
        totalRewards: content.totalRewards
      }
      const messages = content.messages.map((bytes) => open(bytes, network))
      previous = { cid, cycle, offences: offencesIn(messages, cycle) }
      paid = content.totalRewards
      ledger = read.ledger
      return facts
    }
  }
}
