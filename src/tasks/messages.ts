/** What a task's process may say, as shapes. Everything it sends is somebody else's code speaking: what is not here ends it. */
import * as z from 'zod'
import {
  type AuditResult,
  MAX_KEY_BYTES,
  MAX_LIST_KEYS,
  MAX_PUT_FILES,
  MAX_READ_BYTES,
  MAX_REASON_BYTES,
  MAX_SUBMISSION_PROOF_BYTES,
  MAX_SUBMISSION_PROOFS,
  MAX_SUBMISSION_VALUE_BYTES,
  MAX_VALUE_BYTES
} from './api.ts'
import type { FrameLimits } from './child/frames.ts'
import { oneLine } from './output.ts'
import { STACK_CHARACTERS } from './stack.ts'

/** A head is parsed in one go on the node's event loop: 1 MiB of JSON is some 10 ms. A body is only moved. */
export const FROM_TASK_LIMITS: FrameLimits = { headBytes: 1024 * 1024, bodyBytes: 16 * 1024 * 1024 }
/** Requests that may wait for an answer; the child's own side never has more. */
export const MAX_OUTSTANDING_REQUESTS = 32

const utf8 = (maxBytes: number) =>
  z
    .string()
    .max(maxBytes)
    .refine((text) => Buffer.byteLength(text) <= maxBytes && text.isWellFormed(), `should be well-formed text of at most ${maxBytes} bytes`)
const id = z.int().min(1)
const slot = z.int().min(0)
const cid = z
  .string()
  .max(128)
  .regex(/^[a-zA-Z0-9]+$/)
const path = utf8(1024)
const key = utf8(MAX_KEY_BYTES).min(1)
const error = z.object({ name: z.string().max(64), message: z.string().max(500), stack: z.string().max(STACK_CHARACTERS).optional() })
const timeoutMs = z.int().min(1).max(86_400_000)

export const manifestShape = z.object({
  name: z
    .string()
    .min(1)
    .max(64)
    .regex(/^[\w.@/ -]+$/),
  version: z
    .string()
    .min(1)
    .max(32)
    .regex(/^[\w.+-]+$/),
  description: z.string().max(500).optional(),
  network: z.boolean().optional(),
  memoryMb: z.int().min(16).max(65_536).optional(),
  timeoutsMs: z
    .strictObject({ setup: timeoutMs, task: timeoutMs, submission: timeoutMs, audit: timeoutMs, distribution: timeoutMs })
    .partial()
    .optional(),
  proofBytes: z.int().min(1).max(MAX_SUBMISSION_PROOF_BYTES).optional(),
  minProofs: z.int().min(0).max(MAX_SUBMISSION_PROOFS).optional()
})

export const submissionShape = z
  .object({ value: utf8(MAX_SUBMISSION_VALUE_BYTES), proofs: z.array(cid).max(MAX_SUBMISSION_PROOFS) })
  .nullable()

/** What is said beside `valid` cannot take it back: a reason that is too long is cut, one that is no text is none. */
export const auditShape = z.union([
  z.boolean().transform((valid): AuditResult => ({ valid })),
  z
    .object({ valid: z.boolean(), reason: z.unknown().optional() })
    .transform(
      ({ valid, reason }): AuditResult => (typeof reason === 'string' ? { valid, reason: oneLine(reason, MAX_REASON_BYTES) } : { valid })
    )
])

/** Arguments of each request, by method. */
export const requestShapes = {
  'kv.get': z.strictObject({ key }),
  'kv.put': z.strictObject({ key, value: utf8(MAX_VALUE_BYTES) }),
  'kv.delete': z.strictObject({ key }),
  'kv.list': z.strictObject({ prefix: utf8(MAX_KEY_BYTES), after: utf8(MAX_KEY_BYTES), limit: z.int().min(1).max(MAX_LIST_KEYS) }),
  'proofs.putNode': z.strictObject({ value: z.unknown() }),
  'proofs.putFiles': z.strictObject({ files: z.array(z.strictObject({ path: path.min(1), size: z.int().min(0) })).max(MAX_PUT_FILES) }),
  'proofs.get': z.strictObject({ cid }),
  'proofs.list': z.strictObject({ cid }),
  'proofs.readFile': z.strictObject({ cid, path, offset: z.int().min(0), length: z.int().min(1).max(MAX_READ_BYTES) }),
  'k2.slot': z.strictObject({}),
  'k2.getBlock': z.strictObject({ slot }),
  'k2.getBlocks': z.strictObject({ start: slot, end: slot })
} as const

export type RequestMethod = keyof typeof requestShapes
const methods = Object.keys(requestShapes) as [RequestMethod, ...RequestMethod[]]

export const fromTaskShape = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('ready'),
    manifest: z.unknown().optional(),
    functions: z.array(z.string().max(256)).max(64).optional(),
    error: error.optional()
  }),
  z.discriminatedUnion('ok', [
    z.strictObject({ kind: z.literal('result'), id, ok: z.literal(true), value: z.unknown() }),
    z.strictObject({ kind: z.literal('result'), id, ok: z.literal(false), error })
  ]),
  z.strictObject({ kind: z.literal('request'), id, call: id, method: z.enum(methods), args: z.unknown() }),
  z.strictObject({ kind: z.literal('log'), text: z.string().max(4096) })
])
export type FromTask = z.infer<typeof fromTaskShape>
