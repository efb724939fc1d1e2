/** What the control API says and takes: these check, serialize and describe it, and type it everywhere else. */
import { isAbsolute } from 'node:path'
import { z } from 'zod'
import { statsSchema } from '../observe/events.ts'

const count = z.int().nonnegative()
const slot = z.int().describe('a slot of K2')
const roe = z.string().regex(/^\d+$/).describe('ROE, as decimal text')
const cid = z.string().describe('a CID')
export const taskAddress = z.string().regex(/^[1-9A-HJ-NP-Za-km-z]{32,44}$/, 'should be the address of a task')

export const errorSchema = z
  .object({
    error: z.object({
      code: z.string().describe('for programs: it stays as it is'),
      message: z.string().describe('for people: what is wrong, and what to do'),
      details: z.array(z.string()).optional().describe('one for each thing that is wrong with what was sent')
    })
  })
  .meta({ id: 'Error' })
export type ErrorBody = z.infer<typeof errorSchema>

export const healthSchema = z.object({ ok: z.boolean(), reason: z.string() }).meta({ id: 'Health' })
export type Health = z.infer<typeof healthSchema>

const endpointSchema = z.object({
  name: z.string().describe('its URL, without what is a secret of its customer'),
  state: z.enum(['good', 'behind', 'paused', 'suspect', 'of another network']),
  slot: slot.nullable(),
  lagSlots: count,
  latencyMs: z.number(),
  requests: count,
  failures: count,
  contradictions: count,
  away: z.boolean().optional(),
  silentMs: z.number().optional().describe('since it told a slot last'),
  webSocket: z.boolean().optional().describe('whether its WebSocket tells slots; else it is asked')
})

const processSchema = z.object({ lane: z.enum(['work', 'audit']), pid: z.int().nullable(), rssBytes: count.nullable() })

export const pausedSchema = z
  .object({ from: z.int().describe('the first cycle that is left out'), since: z.iso.datetime().describe('when the operator said so') })
  .meta({ id: 'Paused' })
export type Paused = z.infer<typeof pausedSchema>

/** What became of a cycle, in few words. */
export const cycleEntrySchema = z.object({
  outcome: z.string().optional().describe('`accepted`, `no submission`, `not known`, or why it was rejected'),
  reason: z.string().optional(),
  missed: z.string().optional().describe('why there was nothing to submit'),
  paid: roe.optional(),
  total: roe.optional().describe('ROE paid in all'),
  voted: z.string().optional().describe('root of the vote on K2, hex'),
  voteLost: z.string().optional().describe('why K2 did not take the vote'),
  skipped: z.string().optional().describe('why K2 has no record of the cycle'),
  proofs: z.array(cid).optional().describe('what the node submitted'),
  record: cid.optional().describe('the finalized record')
})

const bundlesSchema = z.array(z.object({ cid, from: z.int(), state: z.enum(['here', 'fetching', 'failed']) }))
const closedFrom = z.int().nullable().describe('the task is closed from this cycle on')
const keyFile = z.string().nullable().describe('where the staking key is; null with a signer')
const signer = z.string().nullable().describe('the socket of the signer process that has the key instead')
const notices = z.array(z.string()).describe('what the operator should know and do')
const keyReplaced = z.boolean().describe('whether another key signs for the stake')
const signingSchema = z.object({
  state: z.enum(['signs', 'listens', 'stopped']),
  untilSlot: slot.nullable(),
  reason: z.string().nullable()
})
const taskProcessSchema = z.object({
  pid: z.int().nullable(),
  rssBytes: count.nullable(),
  processes: z.array(processSchema),
  restarts: count,
  lastReason: z.object({ function: z.string(), cycle: z.int().nullable(), reason: z.string(), detail: z.string() }).nullable()
})
const syncSchema = z.object({ asked: count, served: count, received: count, sent: count, failed: count })
const outboxSchema = z.object({
  ...{ signed: count, sent: count, rolledBack: count, landedTwice: count },
  ...{ handedOver: count, voted: count, lost: count, bids: count }
})
const recordsSchema = z.object({
  from: z.int().nullable(),
  to: z.int().nullable(),
  bytes: count,
  maxBytes: z.number(),
  gaps: z.array(z.int()).describe('cycles whose record lacks the one before it')
})
const cycleEntriesSchema = z.array(z.object({ cycle: z.int(), entry: cycleEntrySchema }))

/** What every view of a task has. */
const taskShape = {
  task: z.string().describe('its address on K2'),
  taskName: z.string().nullable().describe('null: K2 has not told it'),
  node: z.string().nullable().describe('the staking key in this task; null: it could not be read'),
  state: z
    .enum(['starting', 'running', 'failed', 'stopping'])
    .describe('a task that failed is not done any more, and the others are: `reason` says why'),
  reason: z.string().nullable().describe('why it failed; null where it did not')
}

export const taskStatusSchema = z
  .object({
    ...taskShape,
    ...{ keyFile, signer },
    minStake: roe.nullable(),
    bundleNotice: count.nullable().describe('rounds'),
    cycle: z.int().nullable(),
    staked: z.boolean().nullable().describe('null: K2 has not answered yet'),
    keyReplaced,
    stake: roe.nullable(),
    finalizedCycle: z.int().nullable(),
    bundles: bundlesSchema,
    ...{ closedFrom, paused: pausedSchema.nullable() },
    signing: signingSchema.nullable(),
    notices: notices.describe('of this task alone'),
    taskProcess: taskProcessSchema.nullable(),
    gossip: statsSchema.shape.gossip.nullable(),
    peers: z.object({ staked: count, mesh: count }).nullable(),
    sync: syncSchema.nullable(),
    outbox: outboxSchema.nullable(),
    records: recordsSchema.nullable(),
    cycles: cycleEntriesSchema
  })
  .describe('how one task is; null is what is not known, as the task is not there yet or failed before it was')
  .meta({ id: 'TaskStatus' })
export type TaskStatus = z.infer<typeof taskStatusSchema>
export type TaskState = TaskStatus['state']

export const statusSchema = z
  .object({
    node: z.string().describe('its staking key; this and all that is about one task is of the first one, `tasks` has each'),
    peerId: z.string(),
    multiaddrs: z.array(z.string()).describe('what others are told'),
    listens: z.array(z.string()),
    task: z.string(),
    taskName: z.string(),
    program: z.string().describe('the settlement program'),
    minStake: roe,
    bundleNotice: count.describe('rounds'),
    ...{ keyFile, signer },
    k2: z.array(endpointSchema),
    slot: slot.nullable(),
    cycle: z.int().nullable(),
    staked: z.boolean().nullable().describe('null: K2 has not answered yet'),
    keyReplaced,
    stake: roe,
    finalizedCycle: z.int().nullable(),
    bundles: bundlesSchema,
    ...{ closedFrom, paused: pausedSchema.nullable(), signing: signingSchema },
    notices: notices.describe('what the operator should know and do: of the node, and of its first task'),
    taskProcess: taskProcessSchema.nullable(),
    ...statsSchema.shape,
    ...{ sync: syncSchema, outbox: outboxSchema, records: recordsSchema, cycles: cycleEntriesSchema },
    tasks: z.array(taskStatusSchema).describe('every task of the node')
  })
  .meta({ id: 'Status' })
/** How a node is. */
export type Status = z.infer<typeof statusSchema>

export const taskSchema = z
  .object({
    ...taskShape,
    cycle: z.int().nullable(),
    finalizedCycle: z.int().nullable(),
    closedFrom,
    paused: pausedSchema.nullable(),
    stake: roe.nullable(),
    staked: z.boolean().nullable(),
    bundles: bundlesSchema,
    minStake: roe.nullable(),
    bundleNotice: count.nullable(),
    roundSlots: count.nullable(),
    submissionWindow: count.nullable(),
    auditWindow: count.nullable()
  })
  .describe('one task; null is what is not known, as the task is not there yet or failed before it was')
  .meta({ id: 'Task' })
export type Task = z.infer<typeof taskSchema>
export const tasksSchema = z.object({ tasks: z.array(taskSchema) })
export const addedSchema = taskSchema
  .extend({ configured: z.boolean().describe('the settings of the node name it too: the next start has it with those') })
  .meta({ id: 'Added' })
/** A task that was added. */
export type Added = z.infer<typeof addedSchema>

/** A path on the machine of the node; where the node was started is not where it is asked from. */
const path = z
  .string()
  .min(1)
  .max(4096)
  .refine((text) => isAbsolute(text), 'should be an absolute path')
const whole = z.int().nonnegative()

/** What the settings are, and may be, the configuration says (`taskConfigOf`); here they are bounded. */
export const askedTaskSchema = z
  .strictObject({
    task: taskAddress,
    key: path.optional().describe('a file on the machine of the node, as all paths; the node’s own key without it'),
    signer: path.optional(),
    bundle: z.string().min(1).max(4096).optional().describe('an absolute path, or the name of a built-in bundle'),
    params: z.record(z.string(), z.unknown()).optional(),
    allowNetwork: z.boolean().optional(),
    followBundle: z.boolean().optional(),
    applySlashes: z.boolean().optional(),
    keepCycles: whole.optional(),
    keepRecords: z.union([z.literal('all'), whole]).optional(),
    ...{ quotaMiB: whole.optional(), taskMemoryMiB: whole.optional(), taskStoreMiB: whole.optional() },
    maxFee: z.string().max(40).optional().describe('KOII'),
    minPeers: whole.optional()
  })
  .describe('a task, and what is its own in place of the settings of the node')
  .meta({ id: 'AskedTask' })
export type AskedTask = z.infer<typeof askedTaskSchema>

export const removedSchema = z
  .object({
    task: z.string(),
    configured: z.boolean().describe('whether the configuration names it, so that the next start runs it again')
  })
  .meta({ id: 'Removed' })
export type Removed = z.infer<typeof removedSchema>

/**
 * How a phase of a cycle went. `waiting`: its time has not come. `open`: it has. `none`: nothing was due. `unknown`: the node tells
 * nothing of it, as it was not running or is older than this.
 */
const phaseState = z.enum(['waiting', 'open', 'on time', 'late', 'missed', 'none', 'unknown'])
const phase = {
  state: phaseState,
  from: slot.describe('the first slot of its time'),
  to: slot.describe('the slot in which its time is over'),
  slot: slot.nullable().describe('when it was done, or given up'),
  reason: z.string().nullable().describe('why it was late or missed')
}

export const auditSchema = z.object({
  slot: slot.nullable(),
  subject: z.string().describe('whose work'),
  finding: z.enum(['valid', 'invalid', 'unavailable', 'abstained']),
  reason: z.string(),
  purpose: z.enum(['sample', 'challenge']),
  late: z.boolean().describe('whether it was found when it could change nothing any more')
})

export const cycleSchema = z
  .object({
    cycle: z.int(),
    submission: z.object({ ...phase, proofs: z.array(cid), challengedBy: z.array(z.string()) }),
    audits: z.object({ ...phase, count: count.describe('all that were made'), made: z.array(auditSchema).describe('the first of them') }),
    agreement: z.object({
      ...phase,
      proposals: count,
      approvedSlot: slot.nullable().describe('when this node approved a record'),
      record: cid.nullable().describe('the record that enough of the stake approves')
    }),
    vote: z.object({
      ...phase,
      root: z.string().nullable().describe('hex'),
      signature: z.string().nullable().describe('of the transaction that brought it'),
      handedOver: z.boolean().describe('whether it was left to a batch')
    }),
    settlement: z.object({
      ...phase,
      record: cid.nullable().describe('the finalized one'),
      outcome: cycleEntrySchema.shape.outcome.unwrap().nullable(),
      paid: roe.nullable(),
      total: roe.nullable().describe('ROE paid in all')
    })
  })
  .meta({ id: 'Cycle' })
export type Cycle = z.infer<typeof cycleSchema>
export const cyclesSchema = z.object({ task: z.string(), cycles: z.array(cycleSchema).describe('the newest first') })

export const peerSchema = z
  .object({
    peerId: z.string(),
    staker: z.string().nullable().describe('whose stake it speaks for in the first task where it has one; null without one'),
    connections: z.array(z.object({ address: z.string(), direction: z.enum(['inbound', 'outbound']) })),
    mesh: z.boolean().describe('whether gossip of a task goes to it and comes from it directly'),
    tasks: z
      .array(z.object({ task: z.string(), staker: z.string(), mesh: z.boolean().describe('whether gossip of this task does') }))
      .describe('the tasks in which it is let in')
  })
  .meta({ id: 'Peer' })
export type Peer = z.infer<typeof peerSchema>
export const peersSchema = z.object({ peers: z.array(peerSchema) })

export const pauseAnswerSchema = z.object({ task: z.string(), paused: pausedSchema.nullable() }).meta({ id: 'PauseAnswer' })
export type PauseAnswer = z.infer<typeof pauseAnswerSchema>
