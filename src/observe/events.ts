/**
 * Every event of a node: a schema for each, which types what is emitted, checks what is read, and is what
 * docs/events.md lists. Amounts are ROE as decimal text, roots are hex, keys base58.
 */
import { z } from 'zod'

const text = z.string()
const count = z.int().nonnegative()
const roe = z.string().regex(/^\d+$/).describe('ROE')
const signature = z.string().describe('of the transaction on K2')
const cid = z.string().describe('a CID')
const reason = z.string()
const counters = z.record(z.string(), z.number())

/** Counters since the start; `status` has the same. */
export const statsSchema = z.object({
  gossip: z.object({
    delivered: count,
    duplicates: count,
    signatureChecks: count,
    published: count,
    synced: count,
    refused: counters.describe('how many for each reason')
  }),
  proofs: z.object({
    fetched: count,
    bytes: count,
    unavailable: count,
    invalid: count,
    servedBlocks: count,
    servedBytes: count,
    dhtQueries: count
  }),
  peers: z.object({ staked: count, connected: count, mesh: count }),
  door: z.object({ total: count, unstaked: count, greeting: count, dropped: counters, cut: counters }),
  rssBytes: count,
  heapBytes: count.default(0).describe('of it, what JavaScript’s heap has'),
  externalBytes: count.default(0).describe('of it, buffers and what native code has made for objects')
})
export type Stats = z.infer<typeof statsSchema>

const base = {
  time: z.iso.datetime().describe('by the machine’s clock, UTC'),
  slot: z.int().nullable().describe('of K2; null while it is not known'),
  node: z.string().describe('the staking key of the node that tells, in that task'),
  // a node of before says none
  task: z.string().nullable().default(null).describe('the address of the task that it is about; null for one about the node itself')
}

/** One that is about a cycle. */
const ofCycle = <Name extends string, Shape extends z.ZodRawShape>(event: Name, description: string, shape: Shape) =>
  z.object({ event: z.literal(event), ...base, cycle: z.int(), ...shape }).describe(description)

/** One that is about none. */
const general = <Name extends string, Shape extends z.ZodRawShape>(event: Name, description: string, shape: Shape) =>
  z.object({ event: z.literal(event), ...base, cycle: z.null(), ...shape }).describe(description)

const finding = z.enum(['valid', 'invalid', 'unavailable'])
const auditFinding = z.enum(['valid', 'invalid', 'unavailable', 'abstained'])

export const eventSchemas = [
  // the node
  general('listening', 'the node is up', {
    peerId: text,
    multiaddrs: z.array(text).describe('told to others'),
    listens: z.array(text),
    api: text.describe('URL of the control API'),
    staked: z.boolean().nullable()
  }),
  general('staked', '`start --stake` has made a stake', {
    staker: text,
    stake: roe,
    countsFromCycle: z.int(),
    withdrawAuthority: text,
    signature
  }),
  general('address-past', 'the address of the node on K2 leads past it', { reason }),
  general('silent', 'the node signs nothing before a slot: its log cannot tell what the key has said', { until: z.int(), reason }),
  general('speaking', 'the node signs from now on', {}),
  general('key-conflict', 'another node signs with the staking key: this one stops the task, and itself where that was its last', {
    reason
  }),
  general('key-replaced', 'another key signs for the stake', { staker: text, stakingKey: text, from: z.int(), reason }),
  general('disk-trouble', 'the disk does not take what is written', { kind: text, what: text, reason }),
  general('disk-well', 'the disk takes what is written again', { kind: text }),
  general('waiting', 'something has to come first', { for: z.enum(['bundle', 'disk']), reason }),
  general('unhandled', 'a fault of the node itself that ended nothing', { reason }),
  z
    .object({ event: z.literal('stats'), ...base, cycle: z.int().nullable(), ...statsSchema.shape })
    .describe('counters, when a cycle begins and when the node stops'),
  general('stopped', 'the node has stopped', {}),
  // K2
  general('k2-away', 'K2 does not answer, or stands still', { reason, endpoints: z.array(text) }),
  general('k2-back', 'K2 answers again', { seconds: z.number().describe('how long it was away') }),
  general('k2-doubt', 'a list of an endpoint is not believed', {
    list: z.enum(['stakes']),
    endpoint: text,
    reason: reason.nullable().describe('null: it is believed again')
  }),
  // the signer
  general('signer-away', 'the signer process does not answer as it should', { reason }),
  general('signer-back', 'the signer answers again', { seconds: z.number().describe('how long it was away') }),
  // the task
  general('task', 'the task runs', { taskName: text, bundle: cid, params: text.nullable() }),
  general('task-failed', 'the task cannot run', { bundle: cid, reason }),
  general('bundle-changed', 'the task has another bundle', { bundle: cid, from: z.int().describe('the first cycle that runs it') }),
  general('task-closed', 'the task is closed', { from: z.int(), settledFromSlot: z.int(), reason }),
  general('task-paused', 'the operator has paused the task', { from: z.int().describe('the first cycle that is left out') }),
  general('task-resumed', 'the operator goes on with the task', {}),
  general('task-added', 'the operator has the running node do one more task', { taskName: text }),
  general('task-removed', 'the operator has the running node leave the task', {}),
  general('task-stopped', 'the node cannot go on with the task; its other tasks go on', { reason }),
  // peers
  general('peer', 'a staked peer is connected', { peerId: text, staker: text, staked: count.describe('staked peers in all') }),
  general('peer-left', 'a staked peer is gone', { peerId: text, staker: text, staked: count }),
  general('peer-cut', 'a peer sent what is not to be sent', { peerId: text, staker: text.nullable(), reason }),
  general('peers', 'the node looks for peers', { staked: count, wanted: count }),
  // a cycle
  ofCycle('work-started', 'the task works', {}),
  ofCycle('submitted', 'the work is handed in', { value: text, proofs: z.array(cid) }),
  ofCycle('missed', 'there was nothing to hand in', { stage: z.enum(['work', 'submission']), reason }),
  ofCycle('not-yet', 'something has to wait, and is tried again', { what: z.enum(['work', 'audit', 'record', 'proposal']), reason }),
  ofCycle('audited', 'a submission was audited', {
    subject: text.describe('whose'),
    finding: auditFinding,
    reason,
    purpose: z.enum(['sample', 'challenge']).describe('drawn, or because somebody challenged it')
  }),
  ofCycle('challenged', 'somebody challenges a submission', { subject: text, by: text, finding, reason }),
  ofCycle('equivocated', 'somebody signed two messages where one may be', { staker: text, key: text }),
  ofCycle('proposed', 'a record is proposed', { cid, attempt: count, by: text }),
  ofCycle('approved', 'this node approves a record', { cid, attempt: count }),
  ofCycle('refused', 'this node refuses a record', { cid, attempt: count, reason }),
  ofCycle('agreed', 'enough of the stake approves a record', { cid, approvals: count }),
  ofCycle('build-failed', 'this node could not make a record', { reason }),
  ofCycle('said-again', 'what was signed before a kill is sent', { kind: text }),
  ofCycle('vote-handed-over', 'the vote is left to a batch', {}),
  ofCycle('voted', 'the final vote is on K2', {
    root: text.describe('hex'),
    signature: signature.nullable(),
    bytes: count.nullable()
  }),
  ofCycle('vote-lost', 'K2 did not take the vote', { reason }),
  ofCycle('batched', 'this node brought votes of others', { stakers: z.array(text), signature, bytes: count }),
  ofCycle('slash-applied', 'this node had a slash taken', { staker: text, amount: roe, signature }),
  ofCycle('finalized', 'K2 has a record of the cycle', { record: cid, root: text.describe('hex'), totalRewards: roe }),
  ofCycle('settled', 'what the cycle came to for this node', {
    record: cid,
    outcome: text.describe('`accepted`, `no submission`, `not known`, or why it was rejected'),
    reason: reason.optional(),
    paid: roe,
    total: roe.describe('ROE paid in all')
  }),
  ofCycle('skipped', 'K2 has no record of the cycle', { reason }),
  ofCycle('closed', 'the last window of the cycle is over', {})
] as const

/** One thing that happened. */
export const nodeEventSchema = z.discriminatedUnion('event', eventSchemas)
export type NodeEvent = z.infer<typeof nodeEventSchema>
export type EventName = NodeEvent['event']
export type EventOf<Name extends EventName> = Extract<NodeEvent, { event: Name }>

/** What an event has that its teller adds by itself: `cycle` where it is about none, too. */
type Added<E extends NodeEvent> = 'event' | 'time' | 'slot' | 'node' | 'task' | (null extends E['cycle'] ? 'cycle' : never)
type Told<E extends NodeEvent> = Omit<E, Added<E>> &
  (E['cycle'] extends null ? { cycle?: never } : null extends E['cycle'] ? { cycle?: number } : unknown)

/** What is told with an event of that name. */
export type EventDetail<Name extends EventName> = Told<EventOf<Name>>
/** An event as it is told, name and all. */
export type EventInit = { [Name in EventName]: { event: Name } & EventDetail<Name> }[EventName]
