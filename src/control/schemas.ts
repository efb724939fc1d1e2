/** What the control API says and takes: these check, serialize and describe it, and type it everywhere else. */
import { z } from 'zod'
import { statsSchema } from '../observe/events.ts'

const count = z.int().nonnegative()
const slot = z.int().describe('a slot of K2')
const roe = z.string().regex(/^\d+$/).describe('ROE, as decimal text')
const cid = z.string().describe('a CID')

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

export const statusSchema = z
  .object({
    node: z.string().describe('its staking key'),
    peerId: z.string(),
    multiaddrs: z.array(z.string()).describe('what others are told'),
    listens: z.array(z.string()),
    task: z.string(),
    taskName: z.string(),
    program: z.string().describe('the settlement program'),
    minStake: roe,
    bundleNotice: count.describe('rounds'),
    keyFile: z.string().nullable().describe('where the staking key is; null with a signer'),
    signer: z.string().nullable().describe('the socket of the signer process that has the key instead'),
    k2: z.array(endpointSchema),
    slot: slot.nullable(),
    cycle: z.int().nullable(),
    staked: z.boolean().nullable().describe('null: K2 has not answered yet'),
    keyReplaced: z.boolean().describe('whether another key signs for the stake'),
    stake: roe,
    finalizedCycle: z.int().nullable(),
    bundles: z.array(z.object({ cid, from: z.int(), state: z.enum(['here', 'fetching', 'failed']) })),
    closedFrom: z.int().nullable().describe('the task is closed from this cycle on'),
    paused: pausedSchema.nullable(),
    signing: z.object({ state: z.enum(['signs', 'listens', 'stopped']), untilSlot: slot.nullable(), reason: z.string().nullable() }),
    notices: z.array(z.string()).describe('what the operator should know and do'),
    taskProcess: z
      .object({
        pid: z.int().nullable(),
        rssBytes: count.nullable(),
        processes: z.array(processSchema),
        restarts: count,
        lastReason: z.object({ function: z.string(), cycle: z.int().nullable(), reason: z.string(), detail: z.string() }).nullable()
      })
      .nullable(),
    ...statsSchema.shape,
    sync: z.object({ asked: count, served: count, received: count, sent: count, failed: count }),
    outbox: z.object({
      ...{ signed: count, sent: count, rolledBack: count, landedTwice: count },
      ...{ handedOver: count, voted: count, lost: count, bids: count }
    }),
    records: z.object({
      from: z.int().nullable(),
      to: z.int().nullable(),
      bytes: count,
      maxBytes: z.number(),
      gaps: z.array(z.int()).describe('cycles whose record lacks the one before it')
    }),
    cycles: z.array(z.object({ cycle: z.int(), entry: cycleEntrySchema }))
  })
  .meta({ id: 'Status' })
/** How a node is. */
export type Status = z.infer<typeof statusSchema>

export const taskSchema = z
  .object({
    task: z.string().describe('its address on K2'),
    taskName: z.string(),
    cycle: z.int().nullable(),
    finalizedCycle: z.int().nullable(),
    closedFrom: z.int().nullable(),
    paused: pausedSchema.nullable(),
    stake: roe,
    staked: z.boolean().nullable(),
    bundles: statusSchema.shape.bundles,
    minStake: roe,
    bundleNotice: count,
    roundSlots: count,
    submissionWindow: count,
    auditWindow: count
  })
  .meta({ id: 'Task' })
export type Task = z.infer<typeof taskSchema>
export const tasksSchema = z.object({ tasks: z.array(taskSchema) })

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
    staker: z.string().nullable().describe('whose stake it speaks for; null without one'),
    connections: z.array(z.object({ address: z.string(), direction: z.enum(['inbound', 'outbound']) })),
    mesh: z.boolean().describe('whether gossip of the task goes to it and comes from it directly')
  })
  .meta({ id: 'Peer' })
export type Peer = z.infer<typeof peerSchema>
export const peersSchema = z.object({ peers: z.array(peerSchema) })

export const pauseAnswerSchema = z.object({ task: z.string(), paused: pausedSchema.nullable() }).meta({ id: 'PauseAnswer' })
export type PauseAnswer = z.infer<typeof pauseAnswerSchema>
