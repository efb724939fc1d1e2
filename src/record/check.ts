/**
 * Whether a proposed record is one to approve: every message in it stands, and it recomputes to the byte.
 * Spec: protocols/record/README.md "Checking".
 */
import type { CID } from 'multiformats/cid'
import { signedWindowOf, type Timing, within } from '../clock/index.ts'
import { KINDS, type Message, type Network, networkOf, open, type Verify, verifySignature } from '../wire/index.ts'
import { type DistributionEntry, type DistributionInput, distributionInput } from './distribution-input.ts'
import { DistributionError } from './errors.ts'
import type { Breathe } from './read.ts'
import { type BuiltRecord, buildRecord, encodeRecord, type RecordContent } from './record.ts'
import { type CycleInputs, type Tally, tally } from './tally.ts'

export interface CheckTools {
  timing: Timing
  /** Native Ed25519. */
  verify: Verify
  /** The task's distribution function; what it throws is not the record's fault and is passed on. */
  distribution: (input: DistributionInput) => Promise<readonly DistributionEntry[]>
  /** Lets others go first between two helpings. */
  breathe?: Breathe | undefined
}

/** When this node heard what: the two sides of timeliness. Spec: protocols/record/README.md "Checking". */
export interface Heard {
  /** Ids of what it had early enough for the record to need it. */
  mustHave: ReadonlySet<string>
  /** Ids of the submissions that it heard before they were too late to be looked at; null when it could not hear then. */
  timely: ReadonlySet<string> | null
}

/**
 * `incomplete`: it is right as far as it goes, but lacks a message that we had in time and that would count, or pays for one that
 * came too late; others may have heard otherwise, so who sees the others agree can still vote for it.
 */
export type RecordCheck =
  | ({ ok: true; tally: Tally } & Recomputed)
  | { ok: false; verdict: 'wrong'; reason: string }
  | ({ ok: false; verdict: 'incomplete'; reason: string } & Recomputed)

/** `built`: what the checker has made itself, the ledger's blocks too, which a proposer need not have given. */
export interface Recomputed {
  cid: CID
  root: Uint8Array
  totalRewards: bigint
  totalSlashed: bigint
  built: BuiltRecord
}

/** Signatures are checked a helping at a time: those of a large record take seconds, in which a node would hear nothing. */
const HELPING = 64

/**
 * @param content - as `readRecord` gives it
 * @param own - what we know of the cycle. `messages` are our own
 */
export async function checkRecord(content: RecordContent, own: CycleInputs & Heard, tools: CheckTools): Promise<RecordCheck> {
  const wrong = (reason: string): RecordCheck => ({ ok: false, verdict: 'wrong', reason })
  const basis = compareBasis(content, own)
  if (basis != null) {
    return wrong(basis)
  }
  const network = networkOf(own.genesisHash, own.taskId)
  const messages: Message[] = []
  for (const [i, bytes] of content.messages.entries()) {
    const message = openMessage(bytes, network)
    const reason = typeof message === 'string' ? message : judgeMessage(message, own, network, tools)
    if (typeof message === 'string' || reason != null) {
      return wrong(`message ${i}: ${reason}`)
    }
    messages.push(message)
    if (i % HELPING === HELPING - 1) {
      await tools.breathe?.()
    }
  }
  const theirs = { ...own, messages }
  const result = tally(theirs)
  const distribution = await tools.distribution(distributionInput(theirs, result))
  let built: BuiltRecord
  try {
    built = buildRecord(theirs, result, distribution)
  } catch (err) {
    if (err instanceof DistributionError) {
      return wrong(err.message)
    }
    throw err
  }
  const cid = encodeRecord(content)[0]!.cid
  if (!built.cid.equals(cid)) {
    return wrong(`it does not recompute: ${firstDifference(content, built.content)}`)
  }
  const { root, totalRewards, totalSlashed } = built
  const recomputed = { cid, root, totalRewards, totalSlashed, built }
  const untimely = missingMessage(messages, result, own) ?? lateSubmission(result, own)
  if (untimely != null) {
    return { ok: false, verdict: 'incomplete', reason: untimely, ...recomputed }
  }
  return { ok: true, tally: result, ...recomputed }
}

/** Whether the record is about the cycle that we are about, and builds on what we know. */
function compareBasis(content: RecordContent, own: CycleInputs): string | null {
  if (content.network !== own.genesisHash) {
    return `it is of the network ${content.network}, not ${own.genesisHash}`
  }
  if (content.task !== own.taskId) {
    return `it is of the task ${content.task}, not ${own.taskId}`
  }
  if (content.cycle !== own.cycle) {
    return `it is of cycle ${content.cycle}, not ${own.cycle}`
  }
  const previous = own.previous?.cid
  if (previous == null ? content.previous != null : !previous.equals(content.previous)) {
    return `it follows ${content.previous ?? 'nothing'}, the last finalized record is ${previous ?? 'none'}`
  }
  if (Buffer.compare(content.beacon, own.beacon) !== 0) {
    return 'it names another block of K2 as its beacon'
  }
  if (content.bounty !== own.bounty) {
    return `it names a bounty of ${content.bounty}, K2 says ${own.bounty}`
  }
  return null
}

function openMessage(bytes: Uint8Array, network: Network): Message | string {
  try {
    return open(bytes, network)
  } catch (err) {
    return err instanceof Error ? err.message : String(err)
  }
}

/** Why a message has no place in the record; the cheap conditions first, the signature last. */
function judgeMessage(message: Message, own: CycleInputs, network: Network, { timing, verify }: CheckTools): string | null {
  const { kind, signer, body } = message
  if (body.cycle !== own.cycle) {
    return `a ${kind} of cycle ${body.cycle}`
  }
  if ((own.stakes.get(signer) ?? 0n) <= 0n) {
    return `a ${kind} by ${signer}, who had no stake`
  }
  const { window } = KINDS[kind]
  if (window !== 'any' && !within(signedWindowOf(timing, own.cycle, window), body.slot)) {
    return `a ${kind} of slot ${body.slot}, outside the ${window} window`
  }
  if (!verifySignature(message, network, verify)) {
    return `a ${kind} that ${signer} did not sign`
  }
  const { evidence } = message
  if (evidence != null && !evidence.halves.every((half) => verifySignature(half, network, verify))) {
    return `evidence that ${evidence.offender} did not sign`
  }
  return null
}

/**
 * The first message that the record had to hold and does not. It need not hold what would count for nothing: more of
 * a staker whose equivocation it proves, or words about a submission that does not stand.
 */
function missingMessage(messages: Message[], theirs: Tally, own: CycleInputs & Heard): string | null {
  const held = new Set(messages.map(({ id }) => id))
  const missingIds = [...own.mustHave].filter((id) => !held.has(id)).sort()
  if (missingIds.length === 0) {
    return null
  }
  const known = new Map(own.messages.map((message) => [message.id, message]))
  const missing = missingIds.flatMap((id) => known.get(id) ?? [])
  const counting = new Set(tally({ ...own, messages: [...messages, ...missing] }).messages.map(({ id }) => id))
  const convicted = new Set(theirs.rejected.filter(({ reason }) => reason === 'equivocated').map(({ staker }) => staker))
  for (const id of missingIds) {
    const message = known.get(id)
    if (message == null) {
      return `it lacks the message ${id}`
    }
    const about = message.evidence?.offender ?? message.signer
    if (counting.has(id) && !(about != null && convicted.has(about))) {
      return `it lacks the ${message.kind} ${id} of ${message.signer}`
    }
  }
  return null
}

/** A submission that stands in the record and came too late to be audited: what pays must be heard early. */
function lateSubmission({ messages, rejected }: Tally, { timely }: Heard): string | null {
  const convicted = new Set(rejected.filter(({ reason }) => reason === 'equivocated').map(({ staker }) => staker))
  const late = messages.find(({ id, kind, signer }) => kind === 'submission' && timely?.has(id) === false && !convicted.has(signer))
  return late == null ? null : `it holds the submission ${late.id} of ${late.signer}, which came too late to be audited`
}

/** Says where two contents differ first and what each has there, for the log: cut, as one of them is somebody else's. */
function firstDifference(theirs: RecordContent, ours: RecordContent): string {
  const text = (value: unknown) =>
    JSON.stringify(value, (_, v) => (typeof v === 'bigint' ? v.toString() : v instanceof Uint8Array ? Buffer.from(v).toString('hex') : v))
  const name = (Object.keys(ours) as Array<keyof RecordContent>).find((name) => text(theirs[name]) !== text(ours[name]))
  if (name == null) {
    return 'another encoding'
  }
  const [mine, other]: [unknown, unknown] = [ours[name], theirs[name]]
  const lists = Array.isArray(mine) && Array.isArray(other) ? { mine, other } : null
  const at =
    lists == null
      ? -1
      : Array.from({ length: lists.mine.length + 1 }, (_, i) => i).find((i) => text(lists.mine[i]) !== text(lists.other[i]))!
  const [here, there] = lists == null ? [mine, other] : [lists.mine[at], lists.other[at]]
  const said = (value: unknown): string => {
    const { staker, amount } = (value ?? {}) as Partial<DistributionEntry>
    const change = amount == null ? '' : name === 'slashes' || amount < 0n ? `loses ${amount < 0n ? -amount : amount}` : `gets ${amount}`
    const whole = value == null ? 'nothing' : staker == null ? (text(value) ?? '').replaceAll('"', '') : `${staker} ${change}`
    const plain = whole.replace(/[^\x20-\x7e]/g, '?')
    return plain.length > 100 ? `${plain.slice(0, 60)}... (${plain.length} characters)` : plain
  }
  return `another ${name}${lists == null ? '' : `[${at}]`}: ${said(here)} here, ${said(there)} in the record`
}
