import type { Connection } from '@solana/web3.js'
import type { Logger } from '../observe/index.ts'
import { messageOf } from './errors.ts'

/** The slot clock of K2 as this node hears it. Never goes back: an endpoint that is behind does not turn time. */
export interface Slots {
  /** The highest slot heard of; undefined until K2 has answered. */
  now(): number | undefined
  /** Measured length of a slot. */
  slotMs(): number
  on(listener: (slot: number) => void): () => void
  start(): Promise<void>
  stop(): Promise<void>
}

export interface SlotsInit {
  connection: Connection
  log: Logger
  nowMs?: () => number
}

/** K2's own slot time (KOII.md A3), until we have measured. */
const DEFAULT_SLOT_MS = 400
/** Silence of the subscription after which the slot is asked for. */
const SILENT_SLOTS = 4

export function createSlots({ connection, log, nowMs = () => performance.now() }: SlotsInit): Slots {
  const listeners = new Set<(slot: number) => void>()
  let highest: number | undefined
  let heardMs = nowMs()
  let slotMs = DEFAULT_SLOT_MS
  let anchor: { slot: number; ms: number } | undefined
  let timer: NodeJS.Timeout | undefined
  let asking = false

  const hear = (slot: number) => {
    if (!Number.isSafeInteger(slot) || slot < 0) {
      return
    }
    const at = nowMs()
    heardMs = at
    if (highest != null && slot <= highest) {
      return
    }
    // a window of some slots smooths jitter; a jump (a warped local K2, a stall of ours) starts a new one
    if (anchor == null || slot - anchor.slot > 64) {
      anchor = { slot, ms: at }
    } else if (slot - anchor.slot >= 8) {
      slotMs = Math.min(2000, Math.max(5, (at - anchor.ms) / (slot - anchor.slot)))
      anchor = { slot, ms: at }
    }
    highest = slot
    for (const listener of listeners) {
      listener(slot)
    }
  }

  const poll = async () => {
    if (asking || nowMs() - heardMs < SILENT_SLOTS * slotMs) {
      return
    }
    asking = true
    try {
      hear(await connection.getSlot('processed'))
    } catch (err) {
      log.debug({ reason: messageOf(err) }, 'K2 did not tell the slot')
    } finally {
      asking = false
    }
  }

  return {
    now: () => highest,
    slotMs: () => slotMs,
    on(listener) {
      listeners.add(listener)
      return () => {
        listeners.delete(listener)
      }
    },
    async start() {
      hear(await connection.getSlot('processed'))
      connection.onSlotChange((info) => hear(info.slot))
      timer = setInterval(poll, DEFAULT_SLOT_MS / 2)
    },
    async stop() {
      clearInterval(timer)
      // the subscription ends with the connection: see disconnect
      listeners.clear()
    }
  }
}
