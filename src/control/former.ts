/** The status as monitoring without a token has asked for it since before there was one, and what nodes of before leave out of it. */
import { z } from 'zod'
import { type Status, statusSchema } from './schemas.ts'

/** Where it is, beside `/healthz`. */
export const OPEN_STATUS = '/status'

/** Of a node that has nothing to tell. */
export const NO_STATUS: Status = {
  ...{ node: '', peerId: '', multiaddrs: [], listens: [], task: '', taskName: '', program: '', minStake: '0', bundleNotice: 0 },
  ...{ keyFile: null, signer: null, k2: [], slot: null, cycle: null, staked: null, keyReplaced: false, stake: '0', finalizedCycle: null },
  ...{
    bundles: [],
    closedFrom: null,
    paused: null,
    notices: [],
    taskProcess: null,
    rssBytes: 0,
    heapBytes: 0,
    externalBytes: 0,
    cycles: [],
    tasks: []
  },
  signing: { state: 'signs', untilSlot: null, reason: null },
  gossip: { delivered: 0, duplicates: 0, signatureChecks: 0, published: 0, synced: 0, refused: {} },
  proofs: { fetched: 0, bytes: 0, unavailable: 0, invalid: 0, servedBlocks: 0, servedBytes: 0, dhtQueries: 0 },
  peers: { staked: 0, connected: 0, mesh: 0 },
  door: { total: 0, unstaked: 0, greeting: 0, dropped: {}, cut: {} },
  sync: { asked: 0, served: 0, received: 0, sent: 0, failed: 0 },
  outbox: { signed: 0, sent: 0, rolledBack: 0, landedTwice: 0, handedOver: 0, voted: 0, lost: 0, bids: 0 },
  records: { from: null, to: null, bytes: 0, maxBytes: 0, gaps: [] }
}
const ENDPOINT = { name: '', state: 'good', slot: null, lagSlots: 0, latencyMs: 0, requests: 0, failures: 0, contradictions: 0 }

const fields = z.record(z.string(), z.unknown())

/** What is missing is as if there were nothing of it; what is there is as it should be. */
export const formerStatusSchema = z.preprocess((told) => {
  const { data } = fields.safeParse(told)
  if (data == null) {
    return told
  }
  const k2 = Array.isArray(data.k2) ? data.k2.map((one: unknown) => ({ ...ENDPOINT, ...fields.safeParse(one).data })) : []
  return { ...NO_STATUS, ...data, k2 }
}, statusSchema)
