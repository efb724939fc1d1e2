import { pino } from 'pino'
import { type BundleInit, obtainBundle } from '../../src/node/bundle.ts'
import { HANGS_MS } from '../cpu.ts'
import type { TestNode } from '../proofs/fixtures.ts'

/** A bundle as a node asks for it that knows nobody who has it, unless it is told of somebody. */
export const wantBundle = (node: TestNode, cid: string, more: Partial<BundleInit> = {}) =>
  obtainBundle({
    proofs: node.proofs,
    cid,
    path: undefined,
    providers: () => [],
    signal: AbortSignal.timeout(HANGS_MS),
    log: pino({ level: 'silent' }),
    onWaiting: () => {},
    ...more
  })
