/**
 * Votes of others, brought to K2 by whoever can pay the fee.
 *
 * A node without lamports gossips its signed vote. Everyone hears it; so that not everyone pays for the same batch, each has a
 * turn of its own, and at its turn sends what K2 still lacks. A batch that came twice costs a fee and counts once. Nobody pays for
 * votes that it holds for wrong: only those for what the node itself votes for are sent.
 */
import bs58 from 'bs58'
import { cycleAt, type Timing, windowOf, within } from '../clock/index.ts'
import type { Logger } from '../observe/index.ts'
import type { K2Client } from './client.ts'
import { messageOf } from './errors.ts'
import {
  REFUSALS,
  SettlementError,
  type SignedVote,
  type StakeAccount,
  type VoteContent,
  voteBatch,
  voteMessage
} from './settlement/index.ts'
import type { Sent, TransactionSigner } from './transactions.ts'
import { rankOf } from './turns.ts'

/** A vote that was heard: `signature` is the staking key's, of `voteMessage`. */
export interface HeardVote extends VoteContent {
  /** base58 */
  stakingKey: string
  signature: Uint8Array
}

export interface VoteBatcherInit {
  k2: Pick<K2Client, 'send' | 'stakes' | 'lastVote' | 'balance' | 'programId'>
  task: string
  timing: Timing
  /** Our own staking key: it decides when our turn is. */
  self: string
  /** Who pays the fees. */
  payer: TransactionSigner
  /** The stakers' keys as last read. */
  stakers: () => readonly string[]
  verify: (signature: Uint8Array, bytes: Uint8Array, publicKey: Uint8Array) => boolean
  log: Logger
  onSent?: (cycle: number, stakers: string[], sent: Sent) => void
}

export interface VoteBatcher {
  /** Takes a vote in when its inner signature holds; false otherwise. */
  add(vote: HeardVote): boolean
  /** What this node itself votes for in a cycle: before that is known no vote of the cycle is sent, and no other one ever. */
  decided(vote: VoteContent): void
  /** Sends what is due; to be called once a slot. */
  onSlot(slot: number): void
  stop(): Promise<void>
}

/** A legacy transaction of 1,232 bytes holds five votes (protocols/settlement/README.md, "Costs"). */
export const VOTES_IN_TRANSACTION = 5
/** K2 takes a slot or two to show what has landed. */
const RETRY_SLOTS = 3
/** Each signature costs this much, those that the Ed25519 precompile checks included. */
const FEE_PER_SIGNATURE_ROE = 5000n

/**
 * The slot from which a node sends what others have not: the stakers take turns from a quarter to three quarters of the window, in
 * an order that changes with the cycle.
 */
export function turnOf({
  timing,
  cycle,
  self,
  stakers
}: {
  timing: Timing
  cycle: number
  self: string
  stakers: readonly string[]
}): number {
  const { from, to } = windowOf(timing, cycle, 'distribution')
  const before = rankOf(String(cycle), self, stakers)
  const length = to - from
  return from + Math.floor(length / 4) + Math.floor((before * length) / (2 * Math.max(1, stakers.length)))
}

/** What K2 still lacks of the votes heard, as batches of one result each, the heaviest stakes first. Pure. */
export function planBatches(
  votes: readonly HeardVote[],
  accounts: readonly StakeAccount[],
  size = VOTES_IN_TRANSACTION
): Array<{ content: VoteContent; votes: SignedVote[] }> {
  const byKey = new Map(accounts.map((account) => [account.stakingKey, account]))
  const lacking = votes.flatMap((vote) => {
    const account = byKey.get(vote.stakingKey)
    return account == null || (account.lastVote?.cycle ?? -1) >= vote.cycle ? [] : [{ vote, account }]
  })
  const heavy = lacking.sort((a, b) => Number((b.account.amount[0]?.value ?? 0n) - (a.account.amount[0]?.value ?? 0n)))
  return [...Map.groupBy(heavy, ({ vote }) => resultOf(vote)).values()].flatMap((same) =>
    Array.from({ length: Math.ceil(same.length / size) }, (_, i) => ({
      content: same[0]!.vote,
      votes: same.slice(i * size, (i + 1) * size).map(({ vote, account }) => ({
        staker: account.staker,
        stakingKey: vote.stakingKey,
        signature: vote.signature
      }))
    }))
  )
}

const resultOf = ({ cycle, root, recordDigest, totalRewards }: VoteContent) =>
  [cycle, Buffer.from(root).toString('hex'), Buffer.from(recordDigest).toString('hex'), totalRewards].join('/')

export function createVoteBatcher(init: VoteBatcherInit): VoteBatcher {
  const { k2, task, timing, payer, log } = init
  const heard = new Map<number, Map<string, HeardVote>>()
  /** By cycle, what a vote must say. */
  const own = new Map<number, string>()
  let sending: Promise<void> | undefined
  let nextSlot = 0
  let stopped = false

  const sendDue = async (cycle: number): Promise<void> => {
    const votes = new Map([...(heard.get(cycle) ?? [])].filter(([, vote]) => resultOf(vote) === own.get(cycle)))
    const concerned = (await k2.stakes(task)).filter(({ stakingKey }) => votes.has(stakingKey))
    // of a list the endpoints are held to the stakes, not to the votes, which change from slot to slot: those are asked for one by one
    const accounts = await Promise.all(
      concerned.map(async (account) => ({
        ...account,
        lastVote: (await k2.lastVote({ task, staker: account.staker, commitment: 'confirmed' })).value
      }))
    )
    const plan = planBatches([...votes.values()], accounts)
    if (plan.length === 0) {
      heard.delete(cycle)
      return
    }
    for (const { content, votes } of plan) {
      const fee = FEE_PER_SIGNATURE_ROE * BigInt(1 + votes.length)
      if ((await k2.balance(payer.address)) < fee) {
        log.debug({ cycle, fee }, 'no money for the fee of others’ votes')
        heard.delete(cycle)
        return
      }
      const stakers = votes.map(({ staker }) => staker)
      try {
        const sent = await k2.send(voteBatch({ task, ...content, votes, programId: k2.programId }), [payer])
        init.onSent?.(cycle, stakers, sent)
      } catch (err) {
        if (!(err instanceof SettlementError && err.code === REFUSALS.AlreadyVotedError.code)) {
          log.warn({ cycle, stakers, reason: messageOf(err) }, 'others’ votes did not land')
        }
      }
    }
  }

  return {
    add(vote) {
      if (!init.verify(vote.signature, voteMessage({ task, ...vote }), bs58.decode(vote.stakingKey))) {
        return false
      }
      const ofCycle = heard.get(vote.cycle) ?? new Map<string, HeardVote>()
      heard.set(vote.cycle, ofCycle)
      // whichever came first: a staker that signs two different votes gains nothing by it
      if (!ofCycle.has(vote.stakingKey)) {
        ofCycle.set(vote.stakingKey, vote)
      }
      return true
    },
    decided(vote) {
      own.set(vote.cycle, resultOf(vote))
    },
    onSlot(slot) {
      const cycle = cycleAt(timing, slot) - 2
      for (const old of [heard, own].flatMap((map) => [...map.keys()]).filter((old) => old < cycle)) {
        heard.delete(old)
        own.delete(old)
      }
      if (
        stopped ||
        sending != null ||
        !heard.has(cycle) ||
        !own.has(cycle) ||
        !within(windowOf(timing, cycle, 'distribution'), slot) ||
        slot < nextSlot ||
        slot < turnOf({ timing, cycle, self: init.self, stakers: init.stakers() })
      ) {
        return
      }
      nextSlot = slot + RETRY_SLOTS
      sending = sendDue(cycle)
        .catch((err) => log.warn({ cycle, reason: messageOf(err) }, 'K2 did not say whose votes it lacks'))
        .finally(() => {
          sending = undefined
        })
    },
    async stop() {
      stopped = true
      await sending
    }
  }
}
