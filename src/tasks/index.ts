/**
 * # tasks
 *
 * Runs a task's bundle, somebody else's code, in a process of its own with no keys, and answers what it asks for.
 *
 * @example
 * ```ts
 * const runner = await createTaskRunner({ taskId, staker, bundle, params, store, proofs, k2, log: ({ text }) => log.info(text) })
 * await runner.task({ cycle: 7, startSlot: 210, endSlot: 240, slotMs: 400 }, { timeoutMs: 30 * 400 })
 * const outcome = await runner.submission({ cycle: 7, startSlot: 210, endSlot: 240, slotMs: 400 })
 * if (!outcome.ok) console.log(`no submission: ${whyFailed(outcome)}`)
 * await runner.stop()
 * ```
 *
 *   runner ── process ── frames ⇢ child/entry ── bundle            (distribution: ── interpreter ── bundle)
 *                │                     │
 *             services  ⇠ requests ────┘        (kv, proofs, k2)
 *
 * The contract for authors: protocols/task/README.md.
 */
export * from './api.ts'
export { TaskBundleError } from './bundle-copy.ts'
export { builtInBundles, bundlePath } from './bundles/index.ts'
export { checkDistribution, DistributionError, defaultDistribution } from './distribution.ts'
export { ENDINGS, type Ending, type EndingName } from './endings.ts'
export { type BlockSource, createK2Reader, K2ReadError, type K2ReaderOptions, toTaskBlock } from './k2-reader.ts'
export { oneLine, type TaskLog, type TaskLogEntry } from './output.ts'
export { createTaskRunner, type TaskRunner, type TaskRunnerInit, type TaskRunnerStatus } from './runner.ts'
export { NotInProofError, scopeProofs } from './scope.ts'
export { whyFailed } from './stack.ts'
export type { CallOptions } from './timeouts.ts'
export { trialDistribution } from './trial.ts'
