/**
 * What all clients believed beside what the chain holds, in the manner of Jepsen: the clients tell what they did as they do it, the
 * chain's history is read at the end from a node that is known to be honest, and what does not fit together is a violation.
 */
import { type Connection, PublicKey } from '@solana/web3.js'
import { instructionName, PROGRAM_ID } from '../../src/k2/settlement/index.ts'

/** Something that a client did or came to believe. */
export interface ClientEvent {
  kind: 'decided' | 'sent' | 'landed' | 'lost'
  staker: string
  cycle: number
  /** hex */
  recordDigest: string
  /** The chain's slot at that moment, by a clock that is not the client's. */
  slot: number
}

/** A transaction on the chain. */
export interface ChainWrite {
  signature: string
  slot: number
  /** It had an effect. */
  ok: boolean
  /** Those who signed it, the payer first. */
  signers: string[]
  instructions: ChainInstruction[]
}

export type ChainInstruction =
  /** `batch`: brought by somebody else, who may bring what is there already; the program then passes over it. */
  | { is: 'vote'; staker: string; cycle: number; recordDigest: string; batch?: boolean }
  /** `what` is the settlement program's instruction or the address of another program. */
  | { is: 'other'; what: string }

export interface History {
  events: readonly ClientEvent[]
  writes: readonly ChainWrite[]
  /** The slots in which a vote on the cycle counts: [from, to). */
  windowOf: (cycle: number) => { from: number; to: number }
  /** Whether an endpoint that is alive and honest could be reached by this staker's client for long enough in [from, to). */
  reachable: (staker: string, from: number, to: number) => boolean
  /** The slot at which the clients were last looked at. */
  endSlot: number
}

export type ViolationKind =
  | 'lost' // decided in time, an honest endpoint was there, and it is not on the chain
  | 'false landing' // believed to have landed, and it did not
  | 'false loss' // believed lost, and it is on the chain
  | 'two outcomes' // told twice, or first one and then the other
  | 'no outcome' // the window is long over, and the client still does not say
  | 'voted twice' // two effective votes of one staker on one cycle
  | 'undecided vote' // on the chain, and nobody decided so
  | 'sent undecided' // sent before or without being decided
  | 'contradiction' // one client decided two different votes on a cycle
  | 'other write' // a client wrote something that is no vote

export interface Violation {
  kind: ViolationKind
  staker: string
  cycle: number | null
  detail: string
}

export interface Figures {
  decided: number
  /** Effective votes. */
  votes: number
  /** Votes on the chain without effect: each cost a fee, and nothing else. */
  refused: number
  lost: number
  sent: number
}

/** Rounds after the window in which a client may still be unsure. */
const ROUNDS_TO_TELL = 2

export function checkHistory({ events, writes, windowOf, reachable, endSlot }: History): { violations: Violation[]; figures: Figures } {
  const violations: Violation[] = []
  const figures: Figures = { decided: 0, votes: 0, refused: 0, lost: 0, sent: events.filter(({ kind }) => kind === 'sent').length }
  const clients = new Set(events.map(({ staker }) => staker))
  const add = (kind: ViolationKind, staker: string, cycle: number | null, detail: string) =>
    violations.push({ kind, staker, cycle, detail })
  const keyOf = ({ staker, cycle }: { staker: string; cycle: number }) => `${staker} ${cycle}`

  const effective = new Map<string, Array<{ recordDigest: string; slot: number; signature: string }>>()
  for (const { signature, slot, ok, signers, instructions } of writes) {
    for (const one of instructions) {
      if (one.is !== 'vote') {
        for (const client of signers.filter((signer) => clients.has(signer))) {
          add('other write', client, null, `${one.what} in ${signature} at slot ${slot}`)
        }
        continue
      }
      if (!clients.has(one.staker)) {
        continue
      }
      if (!ok) {
        figures.refused++
        continue
      }
      const before = effective.get(keyOf(one)) ?? []
      if (one.batch === true && before.length > 0) {
        figures.refused++
        continue
      }
      figures.votes++
      before.push({ recordDigest: one.recordDigest, slot, signature })
      effective.set(keyOf(one), before)
    }
  }

  const groups = Map.groupBy(events, keyOf)
  for (const [key, votes] of effective) {
    const [staker, cycle] = [key.split(' ')[0]!, Number(key.split(' ')[1])]
    if (votes.length > 1) {
      add('voted twice', staker, cycle, votes.map(({ signature, slot }) => `${signature} at slot ${slot}`).join(', '))
    }
    for (const { recordDigest, slot } of votes) {
      const decided = groups
        .get(key)
        ?.some((event) => event.kind === 'decided' && event.recordDigest === recordDigest && event.slot <= slot)
      if (decided !== true) {
        add('undecided vote', staker, cycle, `for ${recordDigest} at slot ${slot}`)
      }
    }
  }

  for (const [key, group] of groups) {
    const { staker, cycle } = group[0]!
    const window = windowOf(cycle)
    const decisions = group.filter(({ kind }) => kind === 'decided')
    const outcomes = group.filter(({ kind }) => kind === 'landed' || kind === 'lost')
    const onChain = (recordDigest: string) => effective.get(key)?.some((vote) => vote.recordDigest === recordDigest) === true
    const [decision] = decisions
    if (new Set(decisions.map(({ recordDigest }) => recordDigest)).size > 1) {
      add('contradiction', staker, cycle, decisions.map(({ recordDigest }) => recordDigest).join(', '))
    }
    for (const { recordDigest, slot } of group.filter(({ kind }) => kind === 'sent')) {
      if (!decisions.some((one) => one.recordDigest === recordDigest && one.slot <= slot)) {
        add('sent undecided', staker, cycle, `${recordDigest} at slot ${slot}`)
      }
    }
    if (outcomes.length > 1) {
      add('two outcomes', staker, cycle, outcomes.map(({ kind, slot }) => `${kind} at slot ${slot}`).join(', '))
    }
    for (const { kind, recordDigest, slot } of outcomes) {
      if (kind === 'landed' && !onChain(recordDigest)) {
        add('false landing', staker, cycle, `believed at slot ${slot}`)
      }
      if (kind === 'lost' && onChain(recordDigest)) {
        add('false loss', staker, cycle, `believed at slot ${slot}`)
      }
    }
    if (decision == null) {
      continue
    }
    figures.decided++
    if (!onChain(decision.recordDigest)) {
      figures.lost++
      if (decision.slot < window.to && reachable(staker, Math.max(decision.slot, window.from), window.to)) {
        add('lost', staker, cycle, `decided at slot ${decision.slot}, window [${window.from}, ${window.to})`)
      }
    }
    if (outcomes.length === 0 && endSlot >= window.to + ROUNDS_TO_TELL * (window.to - window.from)) {
      add('no outcome', staker, cycle, `decided at slot ${decision.slot}, it is slot ${endSlot}`)
    }
  }
  return { violations, figures }
}

/** Neither changes an account: the budget of a transaction, and the signatures that a batch of votes is vouched for with. */
const AIDS = ['ComputeBudget111111111111111111111111111111', 'Ed25519SigVerify111111111111111111111111111']

/**
 * Every transaction since `from` that names one of the addresses, as the node behind `connection` tells it.
 *
 * @param stakerOf - whose stake account an address is, for votes in batches
 */
export async function readChain(
  connection: Connection,
  addresses: readonly string[],
  { from = 0, stakerOf }: { from?: number; stakerOf: (stakeAddress: string) => string }
): Promise<ChainWrite[]> {
  const found = new Map<string, ChainWrite>()
  for (const address of new Set(addresses)) {
    let before: string | undefined
    for (;;) {
      const page = await connection.getSignaturesForAddress(new PublicKey(address), before == null ? {} : { before }, 'confirmed')
      for (const { signature, slot } of page) {
        if (slot >= from && !found.has(signature)) {
          found.set(signature, await readTransaction(connection, signature, stakerOf))
        }
      }
      before = page.at(-1)?.signature
      if (page.length < 1000 || (page.at(-1)?.slot ?? 0) < from) {
        break
      }
    }
  }
  return [...found.values()].sort((a, b) => a.slot - b.slot)
}

async function readTransaction(connection: Connection, signature: string, stakerOf: (stakeAddress: string) => string): Promise<ChainWrite> {
  const read = await connection.getTransaction(signature, { commitment: 'confirmed', maxSupportedTransactionVersion: 0 })
  if (read == null) {
    throw new Error(`the chain names ${signature} and does not have it`)
  }
  const { message } = read.transaction
  const keys = message.getAccountKeys().staticAccountKeys.map((key) => key.toBase58())
  return {
    signature,
    slot: read.slot,
    ok: read.meta?.err === null,
    signers: keys.slice(0, message.header.numRequiredSignatures),
    instructions: message.compiledInstructions.flatMap(({ programIdIndex, accountKeyIndexes, data }): ChainInstruction[] => {
      const program = keys[programIdIndex]!
      const accounts = accountKeyIndexes.map((index) => keys[index]!)
      const name = program === PROGRAM_ID ? instructionName(data) : undefined
      // cycle, root, record digest and total are the last 80 bytes of either
      const content = Buffer.from(data).subarray(-80)
      if (name === 'vote' || name === 'voteBatch') {
        const said = { cycle: Number(content.readBigUInt64LE(0)), recordDigest: content.subarray(40, 72).toString('hex') }
        return name === 'vote'
          ? [{ is: 'vote', staker: stakerOf(accounts[2]!), ...said }]
          : accounts.slice(2).map((stake) => ({ is: 'vote', staker: stakerOf(stake), ...said, batch: true }))
      }
      return AIDS.includes(program) ? [] : [{ is: 'other', what: name ?? program }]
    })
  }
}
