/** Names, keys, a network and a clock that specs share, without a node. */
import { createHash } from 'node:crypto'
import { CID } from 'multiformats/cid'
import { create } from 'multiformats/hashes/digest'
import { cycleAt, type Timing } from '../../src/clock/index.ts'
import { type KeyPair, keyPairFromSeed, signEd25519 } from '../../src/identity/index.ts'
import type { StakeWeights } from '../../src/judge/index.ts'
import { type Body, type Network, networkOf } from '../../src/wire/index.ts'
import { HANGS_MS } from '../cpu.ts'

export const GENESIS = keyPairFromSeed(seed('genesis')).address
export const TASK = keyPairFromSeed(seed('task')).address
export const NETWORK: Network = networkOf(GENESIS, TASK)
/** Slots 30 a round; the harness stands in round 3, so that round 2 submits and round 1 distributes. */
export const TIMING: Timing = { startingSlot: 1_000, roundSlots: 30, submissionWindow: 12, auditWindow: 12 }
export const NOW = TIMING.startingSlot + 3 * TIMING.roundSlots + 5

export function seed(name: string): Uint8Array {
  return createHash('sha256').update(name).digest()
}

/** The same key for the same name, in every run. */
export function keyOf(name: string): KeyPair {
  return keyPairFromSeed(seed(`staker/${name}`))
}

export function signerOf(pair: KeyPair) {
  return { publicKey: pair.publicKey, sign: async (bytes: Uint8Array) => signEd25519(bytes, pair.secretKey) }
}

/** A K2 whose stakes are the same in every cycle. */
export function fixedStakes(weights: Map<string, bigint>): StakeWeights {
  return { weight: (staker) => weights.get(staker) ?? 0n }
}

/** A submission's body that means something, in its window under TIMING for cycle 2. */
export function submissionBody(value: string, over: Partial<Body> = {}): Body {
  const cycle = cycleAt(TIMING, NOW) - 1
  return {
    cycle,
    slot: TIMING.startingSlot + (cycle + 1) * TIMING.roundSlots + 1,
    submission: { value: new Uint8Array(Buffer.from(value)), proofs: [{ cid: someCid(), size: 10, blocks: 1 }] },
    ...over
  }
}

export function someCid(): Uint8Array<ArrayBuffer> {
  return new Uint8Array(CID.createV1(0x71, create(0x12, seed('proof'))).bytes)
}

/** Waits for a condition, looking every 20 ms, however long a busy machine takes: what takes `timeoutMs` or ten minutes hangs. */
export async function waitFor(condition: () => boolean, timeoutMs = 10_000, explain: () => string = () => 'not so'): Promise<void> {
  const limitMs = Math.max(timeoutMs, HANGS_MS)
  const end = Date.now() + limitMs
  while (!condition()) {
    if (Date.now() > end) {
      throw new Error(`waited ${limitMs} ms in vain: ${explain()}`)
    }
    await sleep(20)
  }
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
