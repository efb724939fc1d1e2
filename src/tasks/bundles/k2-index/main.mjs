/**
 * k2-index: an index of every K2 transaction of the cycle's slots.
 *
 * The proof is a root block and chunks:
 *
 *   root  { version, staker, taskId, cycle, startSlot, endSlot, transactions, failed, fees, chunks: [{ link, firstSlot, lastSlot, count }] }
 *   chunk { version, staker, taskId, cycle, firstSlot, lastSlot, transactions: [
 *           { slot, signature, feePayer, programs, fee, success, changes: [[account, delta]] } ] }
 *
 * Chunks cover the slots from startSlot to endSlot - 1 in order and without gaps; a slot may go on in the next chunk.
 * Every block names its maker and its cycle: a copied index is somebody else's, and says so.
 *
 * @typedef {import('../../api.ts').TaskContext} Context
 * @typedef {import('../../api.ts').TaskBlock} Block
 * @typedef {import('../../api.ts').AuditedSubmission} Submission
 * @typedef {{ slot: number, signature: string, feePayer: string, programs: string[], fee: string, success: boolean, changes: [string, string][] }} Entry
 * @typedef {{ link: { '/': string }, firstSlot: number, lastSlot: number, count: number }} ChunkLink
 * @typedef {{ version: number, staker: string, taskId: string, cycle: number, firstSlot: number, lastSlot: number, transactions: Entry[] }} Chunk
 */

export const manifest = {
  name: 'k2-index',
  version: '1.0.0',
  description: 'Indexes every K2 transaction of the cycle: fee payer, programs, fee, success and balance changes',
  memoryMb: 128,
  minProofs: 1
}

const VERSION = 1
/** Counted in JSON, which is never shorter than the dag-cbor that it becomes: a chunk stays below 16 KiB. */
const CHUNK_CHARACTERS = 16 * 1024
/** Chunks of one index, as an auditor reads them at most. */
const MAX_CHUNKS = 4096
const PARALLEL_READS = 8
/** Slots that an audit derives again: chosen from all, and from those that the index says are not empty. */
const AUDITED_SLOTS = 8
const AUDITED_NONEMPTY_SLOTS = 8
/** Attempts at a block that K2 does not give at once, before the cycle is given up. */
const READ_ATTEMPTS = 5
/** Results kept for `submission`, which comes in the next round. */
const KEPT_CYCLES = 4

/** @param {number} ms */
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

/** @param {Context} ctx @param {number} cycle */
export async function task(ctx, cycle) {
  const { startSlot, endSlot, slotMs } = timingOf(ctx)
  /** @type {Entry[][]} */
  const slots = []
  let next = startSlot
  while (next < endSlot) {
    // returning in time keeps the process for the next cycle, whose work runs already
    ctx.signal.throwIfAborted()
    // the newest slot may still be filling: only what lies below it is complete
    const complete = Math.min(await ctx.k2.slot(), endSlot)
    if (complete <= next) {
      await sleep(Math.max(20, slotMs / 2))
      continue
    }
    const blocks = await readBlocks(ctx, range(next, complete))
    slots.push(...blocks.map((block) => (block == null ? [] : entriesOf(block))))
    next = complete
  }
  const result = await publish(ctx, cycle, startSlot, endSlot, slots.flat())
  await ctx.kv.put(`result/${cycle}`, JSON.stringify(result))
  await ctx.kv.delete(`result/${cycle - KEPT_CYCLES}`)
}

/** @param {Context} ctx @param {number} cycle */
export async function submission(ctx, cycle) {
  const stored = await ctx.kv.get(`result/${cycle}`)
  return stored == null ? null : { value: stored, proofs: [JSON.parse(stored).cid] }
}

/**
 * A proof at fault is invalid; whatever else fails (K2, the store) throws, and the auditor abstains.
 *
 * @param {Context} ctx @param {Submission} submitted @param {number} cycle
 */
export async function audit(ctx, submitted, cycle) {
  try {
    await check(ctx, submitted, cycle)
    return { valid: true }
  } catch (error) {
    const { name, message } = /** @type {Error} */ (error)
    if (name === 'InvalidError' || name === 'BadProofError') {
      return { valid: false, reason: message }
    }
    throw error
  }
}

class InvalidError extends Error {
  name = 'InvalidError'
}

/** @param {boolean} holds @param {string} otherwise */
function demand(holds, otherwise) {
  if (!holds) {
    throw new InvalidError(otherwise)
  }
}

/** @param {Context} ctx @param {Submission} submitted @param {number} cycle */
async function check(ctx, submitted, cycle) {
  const { startSlot, endSlot } = timingOf(ctx)
  const claim = parse(submitted.value)
  demand(submitted.proofs.length === 1 && submitted.proofs[0] === claim.cid, 'the value names another proof than the submission')

  const root = /** @type {any} */ (await ctx.proofs.get(claim.cid))
  demand(root?.version === VERSION && Array.isArray(root.chunks), 'the root is no index of this version')
  demand(root.staker === submitted.staker, `the index was made by ${root.staker}, not by the submitter`)
  demand(root.taskId === ctx.taskId, 'the index belongs to another task')
  demand(root.cycle === cycle, `the index is of cycle ${root.cycle}`)
  demand(root.startSlot === startSlot && root.endSlot === endSlot, `the index covers slots ${root.startSlot} to ${root.endSlot}`)
  demand(root.chunks.length > 0 && root.chunks.length <= MAX_CHUNKS, `the index has ${root.chunks.length} chunks`)

  const entries = await readChunks(ctx, submitted.staker, cycle, root)
  const totals = totalsOf(entries)
  for (const [name, total] of Object.entries(totals)) {
    demand(root[name] === total, `the chunks have ${name} ${total}, the root says ${root[name]}`)
    demand(claim[name] === total, `the chunks have ${name} ${total}, the submission says ${claim[name]}`)
  }
  demand(claim.startSlot === startSlot && claim.endSlot === endSlot, 'the submission names other slots than the index')

  /** @type {Map<number, Entry[]>} */
  const bySlot = new Map()
  for (const entry of entries) {
    bySlot.set(entry.slot, [...(bySlot.get(entry.slot) ?? []), entry])
  }
  const sample = new Set([
    ...choose(range(startSlot, endSlot), countOf(ctx, 'auditSlots', AUDITED_SLOTS)),
    ...choose([...bySlot.keys()], countOf(ctx, 'auditNonemptySlots', AUDITED_NONEMPTY_SLOTS))
  ])
  const sampled = [...sample].sort((a, b) => a - b)
  const blocks = await readBlocks(ctx, sampled)
  for (const [i, slot] of sampled.entries()) {
    const block = blocks[i] ?? null
    compare(slot, bySlot.get(slot) ?? [], block == null ? [] : entriesOf(block))
  }
}

/**
 * All entries, after the checks that need the chunks alone: whose they are, and that they cover the slots.
 *
 * @param {Context} ctx @param {string} staker @param {number} cycle @param {{ startSlot: number, endSlot: number, chunks: ChunkLink[] }} root
 * @returns {Promise<Entry[]>}
 */
async function readChunks(ctx, staker, cycle, root) {
  const chunks = await parallel(root.chunks, async (listed) => {
    const cid = listed?.link?.['/']
    demand(typeof cid === 'string', 'the root lists a chunk without a link')
    return /** @type {Promise<Chunk>} */ (ctx.proofs.get(cid))
  })
  let lastSlot = root.startSlot - 1
  /** @type {Entry[]} */
  const entries = []
  for (const [i, chunk] of chunks.entries()) {
    const listed = /** @type {ChunkLink} */ (root.chunks[i])
    demand(chunk?.version === VERSION && Array.isArray(chunk.transactions), `chunk ${i} is none of this version`)
    demand(chunk.staker === staker && chunk.taskId === ctx.taskId && chunk.cycle === cycle, `chunk ${i} belongs to another index`)
    demand(
      listed.firstSlot === chunk.firstSlot && listed.lastSlot === chunk.lastSlot && listed.count === chunk.transactions.length,
      `chunk ${i} is not as the root lists it`
    )
    const follows = chunk.firstSlot === lastSlot + 1 || (i > 0 && chunk.firstSlot === lastSlot)
    demand(follows && chunk.lastSlot >= chunk.firstSlot, `chunk ${i} starts at slot ${chunk.firstSlot}, the one before ends at ${lastSlot}`)
    lastSlot = chunk.lastSlot
    let slot = chunk.firstSlot
    for (const entry of chunk.transactions) {
      demand(
        Number.isSafeInteger(entry?.slot) && entry.slot >= slot && entry.slot <= lastSlot,
        `chunk ${i} has a transaction out of its slots or order`
      )
      demand(
        typeof entry.fee === 'string' && /^\d{1,20}$/.test(entry.fee) && typeof entry.success === 'boolean',
        `chunk ${i} has a malformed fee`
      )
      slot = entry.slot
      entries.push(entry)
    }
  }
  demand(lastSlot === root.endSlot - 1, `the chunks end at slot ${lastSlot}, before the end of the cycle`)
  return entries
}

/** @param {number} slot @param {Entry[]} indexed @param {Entry[]} actual */
function compare(slot, indexed, actual) {
  demand(indexed.length === actual.length, `slot ${slot} has ${actual.length} transactions on K2 and ${indexed.length} in the index`)
  for (const [i, entry] of actual.entries()) {
    const found = /** @type {Entry} */ (indexed[i])
    for (const [name, value] of Object.entries(entry)) {
      const other = /** @type {Record<string, unknown>} */ (found)[name]
      demand(JSON.stringify(other) === JSON.stringify(value), `transaction ${entry.signature} of slot ${slot} differs in ${name}`)
    }
    demand(Object.keys(found).length === Object.keys(entry).length, `transaction ${entry.signature} has more than its fields`)
  }
}

/** @param {Block} block @returns {Entry[]} */
function entriesOf({ slot, transactions }) {
  return transactions.map(({ signature, feePayer, fee, err, programs, accounts, preBalances, postBalances }) => ({
    slot,
    signature,
    feePayer,
    programs,
    fee,
    success: err == null,
    changes: accounts.flatMap((account, i) => {
      const delta = BigInt(postBalances[i] ?? '0') - BigInt(preBalances[i] ?? '0')
      return delta === 0n ? [] : [/** @type {[string, string]} */ ([account, delta.toString()])]
    })
  }))
}

/** @param {Entry[]} entries */
function totalsOf(entries) {
  return {
    transactions: entries.length,
    failed: entries.filter(({ success }) => !success).length,
    fees: entries.reduce((sum, { fee }) => sum + BigInt(fee), 0n).toString()
  }
}

/** @param {Context} ctx @param {number} cycle @param {number} startSlot @param {number} endSlot @param {Entry[]} entries */
async function publish(ctx, cycle, startSlot, endSlot, entries) {
  const { staker, taskId } = ctx
  const parts = split(entries)
  const chunks = parts.map((transactions, i) => ({
    version: VERSION,
    staker,
    taskId,
    cycle,
    firstSlot: startOf(parts, i, startSlot),
    // up to where the next one starts, or into the slot that both share
    lastSlot: i === parts.length - 1 ? endSlot - 1 : Math.max(startOf(parts, i + 1, startSlot) - 1, transactions.at(-1)?.slot ?? startSlot),
    transactions
  }))
  const cids = await parallel(chunks, (chunk) => ctx.proofs.putNode(chunk))
  const totals = totalsOf(entries)
  const cid = await ctx.proofs.putNode({
    version: VERSION,
    staker,
    taskId,
    cycle,
    startSlot,
    endSlot,
    ...totals,
    chunks: chunks.map(({ firstSlot, lastSlot, transactions }, i) => ({
      link: { '/': cids[i] },
      firstSlot,
      lastSlot,
      count: transactions.length
    }))
  })
  return { cid, startSlot, endSlot, ...totals }
}

/**
 * Where chunk i starts: at its first transaction's slot, the first one at the cycle's start.
 *
 * @param {Entry[][]} parts @param {number} i @param {number} startSlot
 */
function startOf(parts, i, startSlot) {
  return i === 0 ? startSlot : (parts[i]?.[0]?.slot ?? startSlot)
}

/** @param {Entry[]} entries @returns {Entry[][]} at least one part, none but the only one empty */
function split(entries) {
  /** @type {Entry[][]} */
  const parts = [[]]
  let characters = 0
  for (const entry of entries) {
    const size = JSON.stringify(entry).length
    if (characters + size > CHUNK_CHARACTERS - 512 && characters > 0) {
      parts.push([])
      characters = 0
    }
    /** @type {Entry[]} */
    parts.at(-1).push(entry)
    characters += size
  }
  return parts
}

/** @param {Context} ctx @param {number[]} slots @returns {Promise<(Block | null)[]>} */
function readBlocks(ctx, slots) {
  return parallel(slots, async (slot) => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await ctx.k2.getBlock(slot)
      } catch (error) {
        if (attempt === READ_ATTEMPTS || ctx.signal.aborted) {
          throw error
        }
        await sleep(50 * 2 ** attempt)
      }
    }
  })
}

/** @template T, R @param {T[]} items @param {(item: T) => Promise<R>} run @returns {Promise<R[]>} */
async function parallel(items, run) {
  /** @type {R[]} */
  const results = []
  const queue = items.entries()
  const worker = async () => {
    for (const [i, item] of queue) {
      results[i] = await run(item)
    }
  }
  await Promise.all(Array.from({ length: PARALLEL_READS }, worker))
  return results
}

/** So many of the list, each with the same chance, by the auditor's private randomness. @template T @param {T[]} list @param {number} count */
function choose(list, count) {
  return list
    .map((item) => ({ item, order: crypto.getRandomValues(new Uint32Array(1))[0] ?? 0 }))
    .sort((a, b) => a.order - b.order)
    .slice(0, count)
    .map(({ item }) => item)
}

/** @param {string} value */
function parse(value) {
  try {
    const claim = JSON.parse(value)
    demand(typeof claim === 'object' && claim !== null && typeof claim.cid === 'string', 'the value names no proof')
    return claim
  } catch {
    throw new InvalidError('the value is no JSON that names a proof')
  }
}

/** @param {Context} ctx @param {string} name @param {number} otherwise */
function countOf(ctx, name, otherwise) {
  const count = /** @type {Record<string, unknown> | null} */ (ctx.params)?.[name]
  return Number.isSafeInteger(count) ? Number(count) : otherwise
}

/** @param {number} from @param {number} to not included */
function range(from, to) {
  return Array.from({ length: to - from }, (_, i) => from + i)
}

/** @param {Context} ctx */
function timingOf(ctx) {
  if (ctx.timing == null) {
    throw new Error('called without a cycle')
  }
  return ctx.timing
}
